"""Does at once all that threads of a service do, and checks each of its own results.

Says `ready`. After a line `rest`, its threads stand still and it says what it owns; after
`go` they go on; after `enough` it ends and says `right`, or what was wrong.
"""

import ctypes
import gc
import hashlib
import json
import os
import select
import socket
import sys
import tempfile
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
wrong = []
rounds = {}


class Gate:
    """Where threads stand still between two rounds, while they are to rest."""

    def __init__(self, threads):
        self.threads = threads
        self.over = self.closed = False
        self.resting = 0
        self.changed = threading.Condition()

    def let_pass(self):
        """Whether to go on."""
        if self.closed:
            with self.changed:
                self.resting += 1
                self.changed.notify_all()
                self.changed.wait_for(lambda: not self.closed)
                self.resting -= 1
                self.changed.notify_all()
        return not self.over

    def close(self):
        with self.changed:
            self.closed = True
            self.changed.wait_for(lambda: self.resting == self.threads)

    def open(self):
        with self.changed:
            self.closed = False
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.resting == 0)


def fold(seed):
    """Plain Python: a checksum of a sequence."""
    total = 0
    for _ in range(5_000):
        seed = (seed * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        total = (total * 31 + seed) & 0xFFFFFFFF
    return total


def float_sum(count):
    """In the registers for floating point."""
    total = 0.0
    for number in range(1, count):
        total += 1.0 / (number * number)
    return total


BLOCK = bytes(range(256)) * 4096
SEEDS = range(16)
FOLDED = [fold(seed) for seed in SEEDS]
SUMMED = float_sum(3_000)
DIGEST = hashlib.sha256(BLOCK).digest()


def computes():
    while True:
        for seed, folded in zip(SEEDS, FOLDED):
            assert fold(seed) == folded, "fold"
            assert float_sum(3_000) == SUMMED, "sum"
            yield


def hashes():
    while True:
        assert hashlib.sha256(BLOCK).digest() == DIGEST, "digest"
        yield


def allocates():
    """Small and large objects, cycles for the collector, pages for the system."""
    while True:
        kept = [bytes([size & 255]) * size for size in range(1, 1_500)]
        kept += [b"\xa5" * (size << 12) for size in range(1, 60)]
        assert all(one[0] == one[-1] == one[len(one) // 2] for one in kept), "bytes"
        for one in range(500):
            ring = [one]
            ring.append(ring)
        words = {str(one): [one] * 8 for one in range(2_000)}
        assert sum(len(one) for one in words.values()) == 16_000, "words"
        yield


def starts_threads():
    def note(place, into):
        into[place] = fold(place)

    while True:
        made = [0] * len(SEEDS)
        threads = [threading.Thread(target=note, args=(place, made)) for place in SEEDS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == FOLDED, "threads"
        yield


def talks():
    """With the other end of a pair of sockets, which is read by a thread that never rests."""
    near, far = socket.socketpair()

    def echo():
        while data := far.recv(65_536):
            far.sendall(data)

    threading.Thread(target=echo, daemon=True).start()
    near.settimeout(60)
    while True:
        for length in (1, 1_000, 100_000):
            sender = threading.Thread(target=near.sendall, args=(BLOCK[:length],))
            sender.start()
            heard = b""
            while len(heard) < length:
                heard += near.recv(length - len(heard))
            sender.join()
            assert heard == BLOCK[:length], "echo"
        yield


def writes_files():
    while True:
        with tempfile.TemporaryFile() as file:
            file.write(BLOCK)
            file.seek(0)
            assert hashlib.sha256(file.read()).digest() == DIGEST, "file"
        yield


class Timeval(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("micros", ctypes.c_long)]


def waits():
    """In calls of C's, which tell when they were cut short; Python's would begin anew."""
    reader, writer = os.pipe()
    epoll = select.epoll()
    epoll.register(reader, select.EPOLLIN)
    near, far = socket.socketpair()
    timeout = Timeval(0, 5_000)
    size = ctypes.sizeof(timeout)
    libc.setsockopt(near.fileno(), socket.SOL_SOCKET, socket.SO_RCVTIMEO, ctypes.byref(timeout), size)
    room = ctypes.create_string_buffer(64)
    polled = (ctypes.c_int * 2)(reader, select.POLLIN)
    calls = [
        ("poll", (polled, 1, 5), (0, 0)),
        ("epoll_wait", (epoll.fileno(), room, 1, 5), (0, 0)),
        ("recv", (near.fileno(), room, 8, 0), (-1, 11)),
        ("select", (0, None, None, None, ctypes.byref(Timeval(0, 5_000))), (0, 0)),
        ("usleep", (5_000,), (0, 0)),
    ]
    while True:
        for name, arguments, expected in calls:
            ctypes.set_errno(0)
            seen = getattr(libc, name)(*arguments), ctypes.get_errno()
            assert seen == expected, f"{name}: {seen}"
            timeout.seconds, timeout.micros = 0, 5_000
            if name == "select":
                arguments[4]._obj.micros = 5_000
        # One that waits for ever, but for this.
        timer = threading.Timer(0.005, os.write, (writer, b"."))
        timer.start()
        assert libc.read(reader, room, 8) == 1, f"read: {ctypes.get_errno()}"
        timer.join()
        yield


def sleeps():
    while True:
        time.sleep(0.001)
        yield


WORK = [waits, talks, starts_threads, computes, hashes, allocates, writes_files, sleeps]
GATE = Gate(len(WORK))


def work(kind, name):
    try:
        for _ in kind():
            rounds[name] += 1
            if not GATE.let_pass():
                return
    except BaseException as error:
        wrong.append(f"{name}: {error!r}")
        # Nobody may wait for a thread that has ended.
        with GATE.changed:
            GATE.threads -= 1
            GATE.changed.notify_all()


def owned():
    """What an attacher might leave: the code objects' references, keys of threads."""
    # A thread that was joined may need a moment more to end.
    patience = time.monotonic() + 10
    while len(os.listdir("/proc/self/task")) > threading.active_count():
        if time.monotonic() > patience:
            break
        time.sleep(0.001)
    gc.collect()
    libc.malloc_trim(0)
    keys = []
    key = ctypes.c_uint()
    while libc.pthread_key_create(ctypes.byref(key), None) == 0:
        keys.append(key.value)
    for one in keys:
        libc.pthread_key_delete(one)
    codes = [one.__code__ for one in (*WORK, work, fold, float_sum, Gate.let_pass)]
    return {"free_keys": len(keys), "references": sum(map(sys.getrefcount, codes))}


def read_line():
    """Without reading ahead."""
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(0, 1)
    return line.decode().strip()


def main():
    threads = []
    for place, kind in enumerate(WORK):
        name = f"{kind.__name__}-{place}"
        rounds[name] = 0
        threads.append(threading.Thread(target=work, args=(kind, name), name=name))
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    # No thread sleeps all the time: then it would be the one that is always borrowed.
    for _ in computes():
        line = select.select([0], [], [], 0)[0] and read_line()
        if line == "rest":
            GATE.close()
            print(json.dumps(owned()), flush=True)
            assert read_line() == "go"
            GATE.open()
        elif line:
            break
    GATE.over = True
    for thread in threads:
        thread.join()
    idle = [name for name, count in rounds.items() if not count]
    print("right" if not wrong and not idle else f"wrong {wrong}, idle {idle}", flush=True)
    os._exit(0)


main()

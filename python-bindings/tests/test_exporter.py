"""gilprof.serve_metrics: the metrics of this process over HTTP, without the GIL."""

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import gilprof
import pytest
import scraping
import workloads
from forked import holds_in_a_child
from scraping import ask, connect, scrape, told, values

usleep_holding = ctypes.PyDLL(None).usleep
HOLD = 'python_gil_hold_seconds_total{interpreter="0"}'
FORKS = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
WAIT = 'python_gil_wait_seconds_total{interpreter="0"}'


@pytest.fixture
def exporter():
    with gilprof.serve_metrics("127.0.0.1:0") as exporter:
        yield exporter


@pytest.fixture(params=["127.0.0.1:0", "[::1]:0", "unix:"])
def anywhere(request, tmp_path):
    """An exporter at each kind of address."""
    if request.param == "[::1]:0" and not has_ipv6():
        pytest.skip("there is no ::1 here")
    address = f"unix:{tmp_path}/metrics.sock" if request.param == "unix:" else request.param
    with gilprof.serve_metrics(address) as exporter:
        yield exporter


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as asking:
            asking.bind(("::1", 0))
    except OSError:
        return False
    return True


def files():
    """The files that this process has open, as (number, what)."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add((int(name), os.readlink(f"/proc/self/fd/{name}")))
        except FileNotFoundError:
            # That of the listing.
            continue
    return found


def sockets():
    """The sockets among them."""
    return {(number, what) for number, what in files() if what.startswith("socket:")}


def native_threads():
    """What the kernel says of each thread, by its name."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            found[(task / "comm").read_text().strip()] = (task / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            # It has just ended.
            continue
    return found


def test_a_scrape_has_the_numbers_of_a_snapshot(anywhere):
    workloads.spinning(2)
    before = gilprof.snapshot().gils[0]
    found = values(scrape(anywhere.address))
    after = gilprof.snapshot().gils[0]
    for name, unit in [("waiting_ns", "wait_seconds"), ("holding_ns", "hold_seconds")]:
        number = found[f'python_gil_{unit}_total{{interpreter="0"}}'] * 1e9
        assert getattr(before, name) <= number + 1 and number <= getattr(after, name) + 1
    for name in ("acquisitions", "switches", "drop_requests"):
        number = found[f'python_gil_{name}_total{{interpreter="0"}}']
        assert 0 < getattr(before, name) <= number <= getattr(after, name)


def test_a_scrape_is_answered_while_a_thread_holds_the_gil(exporter):
    scraper = subprocess.Popen(
        [sys.executable, scraping.__file__, exporter.address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    assert scraper.stdout.readline() == "ready\n"
    begin = time.monotonic()
    usleep_holding(3_000_000)
    end = time.monotonic()
    seen = json.loads(scraper.communicate("enough\n")[0])
    within = [numbers for asked, answered, numbers in seen if begin < asked and answered < end]
    assert len(within) >= 2
    # The hold that is under way is in the numbers.
    times = [(asked, answered) for asked, answered, _ in seen if begin < asked and answered < end]
    passed = times[-1][0] - times[0][1]
    assert within[-1][HOLD] - within[0][HOLD] >= 0.9 * passed


def test_counters_never_go_back(exporter):
    over = threading.Event()
    seen = []

    def watch():
        while not over.is_set():
            seen.append(values(scrape(exporter.address)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    workloads.spinning(2)
    workloads.spinning(2)
    over.set()
    watcher.join()
    totals = [name for name in seen[-1] if "_total" in name or "_count" in name or "_bucket" in name]
    assert len(totals) > 30
    for earlier, later in zip(seen, seen[1:]):
        assert [name for name in totals if later[name] < earlier.get(name, 0)] == []
    assert seen[-1][WAIT] > seen[0][WAIT]


def test_prometheus_reads_the_text(exporter):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    workloads.spinning(2)
    found = {one.name: one for one in parser.text_string_to_metric_families(scrape(exporter.address))}
    metrics = {one.name: one for one in gilprof.snapshot().metrics()}
    assert set(found) == set(metrics)
    for name, family in found.items():
        metric = metrics[name]
        assert (family.type, family.unit) == (metric.kind, metric.unit or "")
        assert family.documentation == metric.help
        assert family.samples
    edges = [one.labels["le"] for one in found["python_gil_wait_duration_seconds"].samples if "le" in one.labels]
    assert edges[:2] == ["1e-05", "5e-05"] and edges[-1] == "+Inf"


def test_two_exporters_say_the_same(exporter):
    with gilprof.serve_metrics("127.0.0.1:0") as other:
        assert other.address != exporter.address
        workloads.spinning(1)
        first, second = (values(scrape(one.address)) for one in (exporter, other))
        assert set(first) == set(second)
        assert 0 < first[HOLD] <= second[HOLD]
    with pytest.raises(ConnectionRefusedError):
        connect(other.address)
    assert values(scrape(exporter.address))[HOLD] >= second[HOLD]


def test_who_closes_it_ends_the_recording(anywhere):
    assert gilprof.is_running()
    anywhere.close()
    assert not gilprof.is_running()
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        connect(anywhere.address)
    anywhere.close()


def test_its_options_are_those_of_start():
    with gilprof.serve_metrics("127.0.0.1:0", threads=16, clock="monotonic"):
        assert gilprof.snapshot().clock == "monotonic"
    with pytest.raises(gilprof.OptionError, match="option color=red is not allowed"):
        gilprof.serve_metrics("127.0.0.1:0", color="red")


@pytest.mark.parametrize(
    "address, reason",
    [
        ("localhost", "127.0.0.1:PORT"),
        ("127.0.0.1", "127.0.0.1:PORT"),
        ("unix:", "unix:/PATH"),
        ("0.0.0.0:9464", "is not for the network"),
        ("[::]:9464", "is not for the network"),
    ],
)
def test_a_bad_address_is_refused_with_the_reason(address, reason):
    with pytest.raises(gilprof.OptionError) as refused:
        gilprof.serve_metrics(address)
    assert f"address={address} is not allowed" in str(refused.value)
    assert reason in str(refused.value)
    assert not gilprof.is_running()


def test_a_port_in_use_is_refused_with_what_to_do(exporter):
    with pytest.raises(gilprof.Error) as refused:
        gilprof.serve_metrics(exporter.address)
    assert str(refused.value) == (
        f"cannot listen on {exporter.address}: another program listens there; "
        "choose another port, or port 0 for any that is free"
    )


def test_a_socket_in_use_or_another_file_is_left_alone(tmp_path):
    address = f"unix:{tmp_path}/metrics.sock"
    with gilprof.serve_metrics(address):
        with pytest.raises(gilprof.Error, match="another process listens there"):
            gilprof.serve_metrics(address)
        scrape(address)
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(gilprof.Error, match="no socket; choose another path"):
        gilprof.serve_metrics(f"unix:{file}")
    assert file.read_text() == "mine"


def test_the_socket_of_a_process_that_was_killed_is_replaced(python, tmp_path):
    address = f"unix:{tmp_path}/metrics.sock"
    killed = python(
        f"import os, gilprof\ngilprof.serve_metrics({address!r})\nos.kill(os.getpid(), 9)",
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "metrics.sock").exists()
    with gilprof.serve_metrics(address):
        scrape(address)
    assert not (tmp_path / "metrics.sock").exists()


def test_a_relative_path_is_told_as_a_whole_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with gilprof.serve_metrics("unix:metrics.sock") as exporter:
        assert exporter.address == f"unix:{tmp_path}/metrics.sock"
        monkeypatch.chdir("/")
        scrape(exporter.address)
    assert not (tmp_path / "metrics.sock").exists()


def test_a_client_that_says_nothing_keeps_nobody_waiting(exporter):
    with connect(exporter.address) as silent:
        scrape(exporter.address)
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.recv(1)
        silent.settimeout(60)
        assert silent.recv(1) == b""


def test_more_silent_clients_than_there_is_room_for_keep_nobody_waiting(exporter):
    silent = [connect(exporter.address) for _ in range(100)]
    scrape(exporter.address)
    for one in silent:
        one.close()


def test_a_client_that_reads_nothing_keeps_nobody_waiting(exporter):
    with connect(exporter.address) as deaf:
        deaf.sendall(b"GET / HTTP/1.1\r\n\r\n")
        scrape(exporter.address)


def test_a_client_waits_while_there_is_no_room_for_files(python):
    python("""
import resource, socket
import gilprof, scraping

with gilprof.serve_metrics("127.0.0.1:0") as exporter:
    scraping.scrape(exporter.address)
    host, port = exporter.address.split(":")
    with socket.socket() as client:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        client.connect((host, int(port)))
        client.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
        client.settimeout(0.5)
        try:
            raise SystemExit(f"answered: {client.recv(1)}")
        except socket.timeout:
            pass
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        client.settimeout(60)
        assert scraping.told(client)[0] == 200
""")


def test_a_request_may_come_in_pieces(exporter):
    with connect(exporter.address) as slow:
        for piece in (b"GET /met", b"rics HTTP/1.1\r\n", b"Host: here\r\n\r\n"):
            slow.sendall(piece)
            scrape(exporter.address)
        assert told(slow)[0] == 200


@pytest.mark.parametrize(
    "request_, status",
    [
        (b"\x16\x03\x01\x02\x00 hello", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET /other HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 405),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000, 431),
        (b"GET / HTTP/1.1\r\n\r\n", 200),
        (b"GET /metrics?job=all HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_what_is_no_scrape_is_refused_and_answered(exporter, request_, status):
    assert ask(exporter.address, request_)[0] == status
    scrape(exporter.address)


def test_its_files_are_not_for_programs_that_are_started(tmp_path):
    before = files()
    with gilprof.serve_metrics(f"unix:{tmp_path}/metrics.sock") as exporter:
        with connect(exporter.address) as client:
            client.sendall(b"GET / HT")
            scrape(exporter.address)
            new = {number for number, _ in files() - before} - {client.fileno()}
            # At least the listener, what wakes the thread, and a client.
            assert len(new) >= 3
            assert all(fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC for number in new)


def test_its_thread_takes_no_signal(exporter):
    scrape(exporter.address)
    status = native_threads()["gilprof-metrics"].splitlines()
    blocked = next(line.split()[1] for line in status if line.startswith("SigBlk:"))
    maskable = set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP}
    assert all(int(blocked, 16) >> (number - 1) & 1 for number in maskable)


@FORKS
def test_a_child_has_neither_thread_nor_socket(exporter):
    scrape(exporter.address)
    assert "gilprof-metrics" in native_threads()
    with connect(exporter.address) as client:
        # It is let in by the time that the next one is answered.
        scrape(exporter.address)
        own = {link for number, link in sockets() if number == client.fileno()}
        before = {link for _, link in sockets()} - own
        assert len(before) >= 2

        def has_nothing():
            assert not before & {link for _, link in sockets()}
            assert "gilprof-metrics" not in native_threads()
            exporter.close()
            return not gilprof.is_running()

        assert holds_in_a_child(has_nothing)
        # In the parent, whoever was there before is still served.
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert told(client)[0] == 200
    scrape(exporter.address)


@FORKS
def test_a_child_may_have_an_exporter_of_its_own(exporter, tmp_path):
    def answered():
        with gilprof.serve_metrics(f"unix:{tmp_path}/child.sock") as own:
            workloads.spin(0.01)
            return values(scrape(own.address))[HOLD] > 0

    assert holds_in_a_child(answered)
    scrape(exporter.address)


def test_a_child_leaves_the_socket_of_its_parent_alone(python, tmp_path):
    python(f"""
import multiprocessing, os
import gilprof, scraping

def child():
    assert not gilprof.is_running()

if __name__ == "__main__":
    exporter = gilprof.serve_metrics("unix:{tmp_path}/metrics.sock")
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    scraping.scrape(exporter.address)
""")
    assert not (tmp_path / "metrics.sock").exists()


@FORKS
def test_nobody_listens_any_more_though_a_child_of_the_process_lives_on():
    exporter = gilprof.serve_metrics("127.0.0.1:0")
    (waits, over), (heard, lives) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(lives, b".")
        os.close(over)
        os.read(waits, 1)
        os._exit(0)
    assert os.read(heard, 1) == b"."
    exporter.close()
    with pytest.raises(ConnectionRefusedError):
        connect(exporter.address)
    for file in (waits, over, heard, lives):
        os.close(file)
    assert os.waitpid(pid, 0)[1] == 0


@FORKS
def test_forks_of_many_threads_leave_it_in_order(exporter):
    held = []

    def fork():
        for _ in range(10):
            held.append(holds_in_a_child(lambda: not mine & {link for _, link in sockets()}))

    scrape(exporter.address)
    mine = {link for _, link in sockets()}
    threads = [threading.Thread(target=fork) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert mine and held == [True] * 40
    scrape(exporter.address)


WARNED = """
import os, threading, warnings
import gilprof, scraping

def warned():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        return len(told)

with gilprof.serve_metrics("127.0.0.1:0") as exporter:
    assert [warned() for _ in range(5)] == [0] * 5
    scraping.scrape(exporter.address)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    assert warned() == 1
    over.set()
    thread.join()
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python warns from 3.12 on")
def test_a_program_without_threads_of_its_own_forks_without_a_warning(python):
    python(WARNED)


def test_another_one_may_be_opened_as_soon_as_a_fork_is_over(python):
    python("""
import os
import gilprof, scraping

def after_fork():
    with gilprof.serve_metrics("127.0.0.1:0") as another:
        scraping.scrape(another.address)

with gilprof.serve_metrics("127.0.0.1:0") as exporter:
    os.register_at_fork(after_in_parent=after_fork)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    scraping.scrape(exporter.address)
""")


def test_a_program_that_does_not_close_it_ends_as_it_would(python, tmp_path):
    done = python(f"""
import gilprof, scraping, threading
exporter = gilprof.serve_metrics("unix:{tmp_path}/metrics.sock")
client = scraping.connect(exporter.address)
client.sendall(b"GET /")
scraping.scrape(exporter.address)
print("over")
""")
    assert (done.stdout, done.stderr) == ("over\n", "")
    assert not (tmp_path / "metrics.sock").exists()


def test_a_program_that_is_asked_until_its_end_ends_as_it_would(tmp_path):
    for number in range(5):
        path = tmp_path / f"{number}.sock"
        program = subprocess.Popen(
            [sys.executable, "-c", f"import gilprof; gilprof.serve_metrics('unix:{path}'); print(input())"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )
        program.stdin.write("over\n")
        asked = 0
        while True:
            try:
                asked += ask(f"unix:{path}")[0] == 200
            except (ConnectionError, FileNotFoundError, IndexError):
                # It is not there yet, or no more.
                if program.poll() is not None:
                    break
            if asked == 3:
                program.stdin.flush()
        assert program.communicate() == ("over\n", "")
        assert program.returncode == 0 and asked >= 3


def test_it_says_what_it_is(exporter):
    assert repr(exporter) == f"<Exporter {exporter.address} open>"
    exporter.close()
    assert repr(exporter) == f"<Exporter {exporter.address} closed>"

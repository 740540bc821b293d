"""How much did threads wait in each quarter of a second of a running service?

python examples/watch_a_service.py
"""
import threading
import time

import gilprof


def work(stop):
    while not stop.is_set():
        sum(range(50_000))


def main():
    gilprof.start()
    stop = threading.Event()
    last = gilprof.snapshot()
    for number in range(1, 4):
        threading.Thread(target=work, args=(stop,), name=f"worker-{number}").start()
        time.sleep(0.25)
        now = gilprof.snapshot()
        window = now - last
        last = now
        share = window.waiting_ns / window.wall_ns
        print(f"{number} workers: on average {share:.2f} threads waited")
    stop.set()
    print(gilprof.stop().verdict.sentence)


if __name__ == "__main__":
    main()

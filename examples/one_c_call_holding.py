"""What does one call into C cost the others if it keeps the GIL? All of its time.

ctypes.PyDLL calls a C function without releasing the GIL, as an extension
module that forgets to release it does. Here it sleeps for 200 ms, while
another thread wants to wake every millisecond.

gilprof run -- python examples/one_c_call_holding.py
"""
import ctypes
import threading
import time

usleep = ctypes.PyDLL(None).usleep


def hold():
    time.sleep(0.05)
    usleep(200_000)


def tick(ended, late_ms):
    while not ended.is_set():
        begin = time.perf_counter()
        time.sleep(0.001)
        late_ms.append((time.perf_counter() - begin) * 1e3 - 1)


def main():
    ended = threading.Event()
    late_ms = []
    ticker = threading.Thread(target=tick, args=(ended, late_ms), name="ticker")
    holder = threading.Thread(target=hold, name="holder")
    ticker.start()
    holder.start()
    holder.join()
    time.sleep(0.05)
    ended.set()
    ticker.join()
    print(f"the ticker woke {len(late_ms)} times, once {max(late_ms):.0f} ms late")


if __name__ == "__main__":
    main()

"""Threads that each wait for a slow server.  io_threads.py PORT [-n THREADS] [-d SECONDS]"""

import argparse
import threading
import urllib.request


def fetch(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.status == 200


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("-d", type=float, default=2)
    chosen = parser.parse_args()
    url = f"http://127.0.0.1:{chosen.port}/delay/{chosen.d}"
    threads = [threading.Thread(target=fetch, args=(url,), name=f"io{i}") for i in range(chosen.n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()

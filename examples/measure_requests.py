"""How much of each request was spent waiting for the GIL?

python examples/measure_requests.py
"""
import threading

import gilprof


def handle(size):
    with gilprof.measure("request") as measured:
        sum(number * number for number in range(size))
    return measured


def serve(sizes, answers):
    answers.extend(handle(size) for size in sizes)


def main():
    answers = []
    with gilprof.profile():
        servers = [
            threading.Thread(target=serve, args=([200_000] * 5, answers), name=f"server-{number}")
            for number in range(2)
        ]
        for server in servers:
            server.start()
        for server in servers:
            server.join()
    for measured in answers:
        print(
            f"{measured.wall_ns / 1e6:6.1f} ms, of which it waited "
            f"{measured.waiting_ns / 1e6:6.1f} ms for the GIL, {measured.waits} times"
        )


if __name__ == "__main__":
    main()

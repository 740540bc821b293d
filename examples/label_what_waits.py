"""Which kind of request waits for the GIL, and which makes the others wait?

python examples/label_what_waits.py
"""
import json
import threading

import gilprof

DOCUMENT = json.dumps({"items": list(range(300_000))})


@gilprof.span("GET /status")
def status():
    return sum(range(1_000))


@gilprof.span("POST /items")
def items():
    return json.loads(DOCUMENT)


def serve(answer, times):
    for _ in range(times):
        answer()


def main():
    with gilprof.profile() as profile:
        servers = [
            threading.Thread(target=serve, args=(status, 2_000)),
            threading.Thread(target=serve, args=(items, 20)),
        ]
        for server in servers:
            server.start()
        for server in servers:
            server.join()
    for row in profile.spans:
        print(
            f"{row.label:12} {row.spans:5} times, waited {row.waiting_ns / 1e6:6.1f} ms, "
            f"made others wait {row.caused_ns / 1e6:6.1f} ms"
        )


if __name__ == "__main__":
    main()

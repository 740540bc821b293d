"""Do five threads that wait for a slow server get into each other's way? No:
blocked threads do not want the GIL.

gilprof run -- python examples/five_threads_io.py
"""
import socket
import threading
import time

SECONDS = 1.5
ANSWER_AFTER = 0.02


def serve(connection):
    with connection:
        while connection.recv(64):
            time.sleep(ANSWER_AFTER)
            connection.sendall(b"pong")


def ask(client, answers):
    end = time.monotonic() + SECONDS
    with client:
        while time.monotonic() < end:
            client.sendall(b"ping")
            answers.append(client.recv(64))


def main():
    answers = []
    threads = []
    for number in range(5):
        client, server = socket.socketpair()
        threads += [
            threading.Thread(target=serve, args=(server,), name=f"server-{number}"),
            threading.Thread(target=ask, args=(client, answers), name=f"client-{number}"),
        ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"five threads got {len(answers)} answers in {SECONDS} s")


if __name__ == "__main__":
    main()

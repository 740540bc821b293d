"""A thread that echoes over TCP, beside one that computes; the client is another process.

convoy.py [--cpu none|py|hold] [-r REQUESTS] [--think MS] [--si SECONDS]
"""

import argparse
import random
import socket
import subprocess
import sys
import threading
import time

CLIENT = """
import socket, sys, time
port, requests, think = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1e3
with socket.create_connection(("127.0.0.1", port)) as server:
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(requests):
        time.sleep(think)
        server.sendall(b"x")
        server.recv(1)
"""
over = False


def echo(listening):
    client, _ = listening.accept()
    with client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := client.recv(64):
            client.sendall(data)


def cpu_py():
    x = 0
    while not over:
        x += 1


def cpu_hold():
    numbers = [random.random() for _ in range(400_000)]
    while not over:
        sorted(numbers)


def main():
    global over
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", choices=["none", "py", "hold"], default="py")
    parser.add_argument("-r", type=int, default=400)
    parser.add_argument("--think", type=float, default=1.0)
    parser.add_argument("--si", type=float)
    chosen = parser.parse_args()
    if chosen.si:
        sys.setswitchinterval(chosen.si)
    work = {"none": None, "py": cpu_py, "hold": cpu_hold}[chosen.cpu]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=echo, args=(listening,), name="echo").start()
        if work:
            threading.Thread(target=work, name="cpu").start()
            # Time for a thread that computes to be a long-standing one.
            time.sleep(0.3)
        client = [sys.executable, "-S", "-c", CLIENT, str(listening.getsockname()[1])]
        subprocess.run([*client, str(chosen.r), str(chosen.think)], check=True, timeout=300)
    over = True


if __name__ == "__main__":
    main()

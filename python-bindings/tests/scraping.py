"""What a scraper does, for the tests of exporters."""

import json
import select
import socket
import sys
import time


def connect(address):
    """A connection to an exporter."""
    if address.startswith("unix:"):
        client = socket.socket(socket.AF_UNIX)
        place = address[len("unix:") :]
    else:
        host, port = address.rsplit(":", 1)
        client = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET)
        place = (host.strip("[]"), int(port))
    client.settimeout(60)
    client.connect(place)
    return client


def told(client):
    """All that it says until it closes: the status, the headers and the text."""
    parts = []
    while True:
        part = client.recv(65536)
        if not part:
            break
        parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body.decode()


def ask(address, request=b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"):
    """What an exporter answers to a request."""
    with connect(address) as client:
        client.sendall(request)
        return told(client)


def scrape(address):
    """Its metrics."""
    status, headers, text = ask(address)
    assert status == 200, text
    assert headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert int(headers["Content-Length"]) == len(text.encode())
    return text


def values(text):
    """The numbers of a text by their names with labels."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def main(address):
    """Scrapes again and again until there is a line to read, then tells when and what."""
    seen = []
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        begin = time.monotonic()
        text = scrape(address)
        seen.append((begin, time.monotonic(), values(text)))
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])

"""Clients of a web server.  clients.py PORT PATH..."""

import http.client
import itertools
import sys

from asking import serve_lines

CLIENTS = 4
# A request that takes longer has failed.
PATIENCE = 20


def get(connection, path):
    """The status and the body."""
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def main(port, paths):
    def connect():
        return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    # As it answers when nobody else asks.
    expected = {path: get(connect(), path) for path in paths}
    assert all(status == 200 for status, _ in expected.values()), expected

    def client(number, ask, is_over):
        connection = connect()
        for path in itertools.islice(itertools.cycle(paths), number, None):
            if is_over():
                break
            if not ask(lambda: get(connection, path), expected[path]):
                connection.close()
        connection.close()

    print("ready", flush=True)
    serve_lines(client, CLIENTS, sys.stdin, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

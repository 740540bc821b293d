"""One WSGI application for all WSGI servers.

/cpu?n=300000   pure Python, about 10 ms on 3.11
/sleep?ms=50    sleeps
/chold?ms=20    sleeps in C and keeps the GIL: blocked, no CPU
/hash?mb=8      hashes in C without the GIL
/ping           answers
"""

import ctypes
import hashlib
import time
from urllib.parse import parse_qs

import recorded

usleep_holding = ctypes.PyDLL("libc.so.6").usleep
BUFFER = bytes(8 << 20)


def burn(n):
    x = 0
    for _ in range(n):
        x += 1
    return x


def answer(path, ask):
    if path.endswith("/cpu"):
        burn(int(ask("n", 300_000)))
    elif path.endswith("/sleep"):
        time.sleep(ask("ms", 50) / 1e3)
    elif path.endswith("/chold"):
        usleep_holding(int(ask("ms", 20) * 1000))
    elif path.endswith("/hash"):
        return hashlib.sha256(BUFFER).hexdigest()
    return "ok"


def application(environ, start_response):
    recorded.look()
    given = parse_qs(environ.get("QUERY_STRING", ""))
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    body = answer(path, lambda key, default: float(given.get(key, [default])[0])).encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]

"""What the workers of fleets do: each piece of work holds the GIL for 5 ms and says in which process.

For WSGI `application`, for ASGI `app`.
"""

import ctypes
import os

HELD_NS = 5_000_000

# Through PyDLL it keeps the GIL.
_usleep = ctypes.PyDLL(None).usleep


def work():
    """The id of this process, once it has held the GIL for HELD_NS."""
    _usleep(HELD_NS // 1_000)
    return os.getpid()


def application(environ, start_response):
    body = b"%d" % work()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b"%d" % work()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})

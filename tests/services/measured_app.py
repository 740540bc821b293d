"""wsgiapp.py for the check of requests (requests_check.py), as MEASURED in the environment says:

plain       as it is
measured    with gilprof's middleware
compared    with the middleware, and beside it all that it can be compared with:

/begin      begins to record, with each single wait
/under-way  how many requests are being answered
/end        ends the recording; it and what was told of each request are in the folder COMPARED
"""

import json
import os
import threading
import time
from pathlib import Path

import gilprof
import gilprof.wsgi
from wsgiapp import application as plain

#: Enough for the latest four million events.
TIMELINE = "64MB"


class Compared:
    """The application, with what its requests were told and when they ran."""

    def __init__(self):
        self._begun, self._told = [], []
        self._latest = threading.local()
        self._window = None
        self._measured = gilprof.wsgi.Middleware(self._plain, callback=self._tell)
        self._controls = {"/begin": self._begin, "/under-way": self._under_way, "/end": self._end}

    def _plain(self, environ, start_response):
        began = time.monotonic_ns()
        parts = plain(environ, start_response)
        self._latest.inside = (began, time.monotonic_ns())
        return parts

    def _tell(self, request):
        self._latest.request = request

    def __call__(self, environ, start_response):
        control = self._controls.get(environ["PATH_INFO"])
        if control is not None:
            body = json.dumps(control()).encode()
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
        # Without a lock: its waits would be ours.
        began = time.monotonic_ns()
        self._begun.append(began)
        parts = self._measured(environ, start_response)
        around = (began, time.monotonic_ns())
        one = {"waiting_ns": self._latest.request.waiting_ns, "thread": threading.get_native_id()}
        self._told.append({**one, "inside": self._latest.inside, "around": around})
        return parts

    def _begin(self):
        # The middleware shares a recording that is on.
        self._window = gilprof.profile(timeline=TIMELINE, clock="monotonic")
        self._window.__enter__()

    def _under_way(self):
        return len(self._begun) - len(self._told)

    def _end(self):
        self._window.__exit__(None, None, None)
        folder = Path(os.environ["COMPARED"])
        (folder / "told.json").write_text(json.dumps(self._told))
        self._window.result.save(folder / "compared.json")


KINDS = {
    "plain": lambda: plain,
    "measured": lambda: gilprof.wsgi.Middleware(plain),
    "compared": Compared,
}
application = KINDS[os.environ["MEASURED"]]()

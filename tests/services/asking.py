"""What a program that asks a service says of the answers.

After a line `go` it asks until a line `stop`, and then says in one line of JSON how many
answers there were, how long the longest took, and what went wrong.
"""

import json
import threading
import time


class Answers:
    def __init__(self):
        self.count = self.longest_ms = 0
        self.failed = []
        self.lock = threading.Lock()

    def note(self, took, wrong):
        with self.lock:
            self.count += 1
            self.longest_ms = max(self.longest_ms, took * 1e3)
            if wrong:
                self.failed.append(wrong)

    def line(self):
        longest_ms = round(self.longest_ms, 1)
        return json.dumps({"count": self.count, "longest_ms": longest_ms, "failed": self.failed})


def serve_lines(client, clients, lines, out):
    """Runs so many threads of `client(number, ask, is_over)` between the lines."""
    for line in lines:
        assert line == "go\n", line
        answers, over = Answers(), threading.Event()

        def ask(question, expected):
            """Notes whether the answer is the expected one."""
            began = time.monotonic()
            try:
                answer = question()
                wrong = None if answer == expected else f"answered {answer!r}"
            except Exception as error:
                wrong = repr(error)
            answers.note(time.monotonic() - began, wrong)
            return wrong is None

        threads = [
            threading.Thread(target=client, args=(number, ask, over.is_set))
            for number in range(clients)
        ]
        for thread in threads:
            thread.start()
        assert lines.readline() == "stop\n"
        over.set()
        for thread in threads:
            thread.join()
        print(answers.line(), file=out, flush=True)

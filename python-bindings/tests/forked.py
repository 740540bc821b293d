"""Claims about the child of a fork."""

import os
import traceback


def holds_in_a_child(claim):
    """Whether a claim is true in a child of this process; it has raised nothing then."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if claim() else 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0

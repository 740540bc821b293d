"""Processes of multiprocessing, of which one is killed in the middle.  fleet_children.py METHOD

Prints a line of JSON for each: its id and how often it has worked.
"""

import json
import multiprocessing
import os
import signal
import sys

import fleet_app

CHILDREN = 3
TIMES = 40


def child(pipe):
    for _ in range(TIMES):
        fleet_app.work()
    pipe.send(os.getpid())
    # It goes on until it is told to end, or killed.
    while not pipe.poll():
        fleet_app.work()


def main(method):
    context = multiprocessing.get_context(method)
    pairs = [context.Pipe() for _ in range(CHILDREN)]
    children = [context.Process(target=child, args=(theirs,)) for _, theirs in pairs]
    for one in children:
        one.start()
    for ours, theirs in pairs:
        theirs.close()
        print(json.dumps({"pid": ours.recv(), "times": TIMES}), flush=True)
    os.kill(children[0].pid, signal.SIGKILL)
    for one, (ours, _) in zip(children, pairs):
        if one is not children[0]:
            ours.send(None)
        one.join()


if __name__ == "__main__":
    main(sys.argv[1])

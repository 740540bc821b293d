"""What a scenario is: what runs, what is true of it, and what must be said of it."""

from typing import NamedTuple


class Load(NamedTuple):
    """What asks a server for a path, for a few seconds."""

    path: str
    connections: int = 4
    tabs: int = 0
    """If not 0: so many requests at once and no more, as from browser tabs."""


class Scenario(NamedTuple):
    """One row of the table. In commands, {port} and the like are filled in at run time."""

    name: str
    run: tuple
    """The program and its arguments: words, a .py among `programs/`."""
    first: frozenset
    """The ids that the first finding may have."""
    never: frozenset = frozenset()
    """The ids that no finding may have."""
    also: frozenset = frozenset()
    """The ids that must be among the findings."""
    says: tuple = ()
    """Words of which one must be in what the first finding says."""
    held: tuple = (0.0, 1.0)
    """The least and the most that the GIL may be held, as a part of the time."""
    waiting: tuple = (0.0, 9.0)
    """The least and the most of threads that wait on average."""
    load: tuple = ()
    """Of a server: all its loads at once. Without any, it is a program."""
    processes: int = 1
    """How many processes are recorded."""
    uneven: bool = False
    """Whether the load may come to one process only: then the busiest is judged."""
    itself: bool = False
    """Whether the program calls gilprof itself, as servers do; else `gilprof run` does."""
    control: str = "/ping"
    """Of a server: the path whose requests start and stop recordings."""
    needs: tuple = ()
    """Programs of the system that must be there."""
    slow_server: bool = False
    """Whether it calls out to programs/slow_server.py."""
    fast: bool = False
    """Whether it is one of the few that continuous integration runs."""
    environment: tuple = ()
    """Variables of the environment, as pairs."""


def ids(words):
    """A set of finding ids from one string."""
    return frozenset(words.split())

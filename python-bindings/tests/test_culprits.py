"""Programs whose culprit is known: blame must be on its line."""
import ctypes
import json
import re
import sys
import threading
import time
import zlib

import pytest

import gilprof
import workloads

# What is asserted is about time on CPUs.
pytestmark = pytest.mark.whole_cpus

BIG = list(range(200_000))
NAMES = {str(n): n for n in range(20_000)}
SLOW = re.compile("(a+)+$")
ALMOST = "a" * 18 + "b"
BYTES = bytes(1 << 20)


def concatenate():
    BIG + BIG


def search():
    -1 in BIG


def sort():
    sorted(BIG, reverse=True)


def dump():
    json.dumps(NAMES)


def match():
    SLOW.match(ALMOST)


def negative(number):
    return -number


def sort_with_key():
    sorted(BIG[:20_000], key=negative)


def generate():
    sum(number for number in BIG[:50_000])


def descend(depth):
    return depth and descend(depth - 1)


def recurse():
    descend(500)


def execute():
    exec("total = 0\nfor number in range(20_000):\n    total += number", {})


def usleep():
    ctypes.PyDLL(None).usleep(20_000)


def compress():
    zlib.compress(BYTES)


def sleep():
    time.sleep(0.001)


HOLD = [
    concatenate,
    search,
    sort,
    dump,
    match,
    sort_with_key,
    generate,
    execute,
    usleep,
]
RELEASE = [compress, sleep]


def profile_of(culprit, seconds):
    """`culprit` again and again, and a thread that wants the GIL all the time."""
    over = threading.Event()

    def repeat():
        while not over.is_set():
            culprit()

    def want():
        while not over.is_set():
            time.sleep(0.0001)

    threads = [
        threading.Thread(target=repeat, name="culprit"),
        threading.Thread(target=want, name="victim"),
    ]
    with gilprof.profile() as p:
        for thread in threads:
            thread.start()
        over.wait(seconds)
        over.set()
        for thread in threads:
            thread.join()
    return p.result


def on_line_of(function, site):
    """Whether the site is in the function's only line, or in what that calls."""
    line = function.__code__.co_firstlineno + 1
    return any(
        frame.function == function.__name__ and frame.line == line for frame in site.stack
    )


def blamed(profile):
    return [site for site in profile.sites("blame") if site.thread.name == "culprit"]


@pytest.mark.parametrize("culprit", HOLD, ids=lambda culprit: culprit.__name__)
def test_blame_is_on_the_culprits_line(culprit):
    profile = profile_of(culprit, 1.0)
    assert profile.stacks_missing is None
    sites = blamed(profile)
    whole = sum(site.weight_ns for site in sites)
    elsewhere = [site for site in sites if not on_line_of(culprit, site)]
    missed = sum(site.weight_ns for site in elsewhere)
    # Where the reader finds no CPU, a hold is charged to the line of its release.
    assert missed <= 0.1 * whole, [(site.weight_ns, site.stack[:3]) for site in elsewhere[:5]]
    assert whole > 0


def test_of_a_deep_recursion_the_innermost_frames_are_kept():
    sites = blamed(profile_of(recurse, 1.0))
    deep = [site for site in sites if {frame.function for frame in site.stack} == {"descend"}]
    assert max(len(site.stack) for site in sites) == 59
    assert max(len(site.stack) for site in deep) == 59


def test_blame_for_a_deep_recursion_is_in_the_function_that_calls_itself():
    sites = blamed(profile_of(recurse, 3.0))
    inside = [site for site in sites if site.stack and site.stack[0].function == "descend"]
    # Its calls come and go while they are read.
    assert sum(site.weight_ns for site in inside) > 0.9 * sum(site.weight_ns for site in sites)


@pytest.mark.parametrize("culprit", RELEASE, ids=lambda culprit: culprit.__name__)
def test_who_releases_the_gil_is_not_blamed(culprit):
    profile = profile_of(culprit, 0.5)
    assert sum(site.weight_ns for site in blamed(profile)) < 0.05 * profile.wall_ns


def count_for_long():
    number = 0
    while number < 1_000_000:
        number += 1


def test_a_hold_that_nobody_waits_for_is_where_it_was_spent():
    """Not where the GIL was released: that is in the sleep."""

    def work():
        for _ in range(20):
            count_for_long()
            time.sleep(0)

    with gilprof.profile() as p:
        thread = threading.Thread(target=work, name="alone")
        thread.start()
        thread.join()
    sites = [site for site in p.result.sites("hold") if site.thread.name == "alone"]
    spent = sum(s.weight_ns for s in sites if s.stack and s.stack[0].function == "count_for_long")
    # The first looks are as rare as at an idle program.
    assert spent > 0.5 * sum(site.weight_ns for site in sites)


def test_blame_of_sites_adds_up_to_blame_of_threads():
    profile = profile_of(sort, 2.0)
    for thread in profile.threads:
        of_sites = sum(s.weight_ns for s in profile.sites("blame") if s.thread.id == thread.id)
        # The last millisecond of each thread may not be sampled yet.
        assert abs(of_sites - thread.caused_ns) <= 0.03 * profile.wall_ns, thread


def test_a_site_says_what_of_its_weight_was_seen_in_mid_hold():
    """A C function that keeps the GIL for long is looked at; a wait never is."""
    profile = profile_of(usleep, 1.0)
    sites = blamed(profile)
    assert all(0 <= site.seen_ns <= site.weight_ns for site in sites)
    assert sum(site.seen_ns for site in sites) > 0.5 * sum(site.weight_ns for site in sites)
    assert all(site.seen_ns == 0 for site in profile.sites("wait"))


def test_weights_are_in_proportion():
    """Many short holds and few long ones, which together take as long."""
    library = ctypes.PyDLL(None)
    spent = {"short": 0, "long": 0}

    def hold(name, microseconds):
        begin = time.perf_counter_ns()
        library.usleep(microseconds)
        spent[name] += time.perf_counter_ns() - begin

    def short():
        hold("short", 200)
        time.sleep(0)

    def long():
        hold("long", 20_000)
        time.sleep(0)

    def both():
        long()
        for _ in range(60):
            short()

    profile = profile_of(both, 3.0)
    held = {"short": 0, "long": 0}
    for site in profile.sites("hold"):
        names = {frame.function.split(".")[-1] for frame in site.stack}
        for name in names & held.keys():
            held[name] += site.weight_ns
    share = held["short"] / sum(held.values())
    truth = spent["short"] / sum(spent.values())
    assert abs(share - truth) < 0.05, (held, spent)


def test_a_code_object_is_let_go_when_the_recording_ends():
    code = sort.__code__
    before = sys.getrefcount(code)
    profile_of(sort, 0.2)
    assert sys.getrefcount(code) == before


def test_without_stacks_the_profile_says_so_and_has_all_the_rest():
    with gilprof.profile(stacks="off") as p:
        workloads.spin(0.05)
    assert p.result.sites("hold") == []
    assert "stacks" in p.result.stacks_missing
    assert p.result.holding_ns > 0

"""Prints what profiling costs on this machine, against the budgets.

    make bench                                 everything
    python benches/run.py pair cpu_threads     only these rows
    python benches/run.py attach               what attaching costs the process

Needs gilprof installed, and the library of benches/pair built (optimized).
"""
import datetime
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import gilprof

import workloads
from attach import attach
from compare import Row, alternated, differences, median_interval, quartiles, ratios, timed
from stalls import stalls

HERE = Path(__file__).resolve().parent
# Many short rounds: what disturbs a machine for longer disturbs both of a pair.
ROUNDS = 61
# Whole programs vary more than what is budgeted for them, and take longer.
PROGRAM_ROUNDS = 41
# How often one does its work on end, the first time apart: there a recording begins, and
# reads the symbols of the modules it meets.
REPEATED = 2


def recorded(profiled, work, **options):
    """The result of `work`, done with or without a recording."""
    if not profiled:
        return work()
    gilprof.start(**options)
    try:
        return work()
    finally:
        gilprof.stop()


def pair():
    def with_stacks(profiled):
        return recorded(profiled, workloads.pair_ns)

    def without_stacks(profiled):
        return recorded(profiled, workloads.pair_ns, stacks="off")

    def first(profiled):
        return recorded(profiled, workloads.first_pairs_ns)

    pairs = alternated(with_stacks, ROUNDS)
    bare = statistics.median(without for without, _ in pairs)
    return [
        Row(f"release+acquire pair (bare: {bare:.0f} ns)", "ns", differences(pairs), 25),
        Row("  with stacks off", "ns", differences(alternated(without_stacks, ROUNDS))),
        Row("  the first 100 000 of a recording", "ns", differences(alternated(first, ROUNDS))),
    ]


def whole_program(work, budget):
    """Rows for the wall time and the CPU time of a workload, with stacks and without."""
    name = work.__name__.replace("_", " ")

    def worked():
        first, _ = timed(work)
        return first, *timed(lambda: [work() for _ in range(REPEATED)])

    def measure(stacks):
        return recorded(stacks is not None, worked, stacks=stacks)

    # For each way a tuple of the wall time at first, the wall time, and the CPU time.
    found = alternated(measure, PROGRAM_ROUNDS, (None, "1ms", "off"))

    def slower(way, which):
        return ratios([(each[0][which], each[way][which]) for each in found])

    return [
        Row(f"{name}, wall time", "%", slower(1, 1), budget),
        Row(f"{name}, CPU time", "%", slower(1, 2)),
        Row("  wall time with stacks off", "%", slower(2, 1)),
        Row("  wall time of the first half second", "%", slower(1, 0)),
    ]


def cpu_threads():
    return whole_program(workloads.cpu_threads, 1)


def io_threads():
    return whole_program(workloads.io_threads, 1)


def thread_churn():
    return whole_program(workloads.thread_churn, 1)


def quick_churn():
    return whole_program(workloads.quick_churn, None)


def thread_storm():
    """What a start and end of a thread costs more; of a program that does nothing else."""

    def microseconds(profiled):
        wall, _ = recorded(profiled, lambda: timed(workloads.thread_storm))
        return wall / workloads.STORM_THREADS * 1e6

    pairs = alternated(microseconds, ROUNDS)
    bare = statistics.median(without for without, _ in pairs)
    return [
        Row(f"thread storm, a thread (bare: {bare:.0f} us)", "us", differences(pairs)),
        Row("  of its wall time", "%", ratios(pairs)),
    ]


def handoff_storm():
    return whole_program(workloads.handoff_storm, 5)


def import_time():
    def measure(importing):
        code = "import gilprof" if importing else "pass"
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return (time.perf_counter() - begin) * 1e3

    return [Row("import gilprof", "ms", differences(alternated(measure, 25)), 30)]


def idle():
    """CPU time of a process that sleeps, in percent of one core, once the symbols of
    its modules are read; and what that reading takes."""

    def settled(profiled):
        def work():
            _, first = timed(lambda: time.sleep(1))
            wall, cpu = timed(lambda: time.sleep(2))
            return first * 1e3, cpu / wall * 100

        return recorded(profiled, work)

    pairs = alternated(settled, 5)
    first = [(without[0], with_it[0]) for without, with_it in pairs]
    later = [(without[1], with_it[1]) for without, with_it in pairs]
    return [
        Row("started and idle, of one core", "%", differences(later), 0.1),
        Row("  its first second, CPU time", "ms", differences(first)),
    ]


def resident_kib():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def mappings():
    """The resident KiB and the size of each mapping that a region may be, by its address."""
    found, address = {}, None
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *values = line.split()
        if not name.endswith(":"):
            file = values[4:5]
            anonymous = values[0] == "rw-p" and not file
            address = name if anonymous or file == ["/memfd:gilprof"] else None
        elif address and name == "Size:":
            size = int(values[0])
        elif address and name == "Rss:":
            found[address] = int(values[0]), size
    return found


def memory():
    """What a process with 16 busy threads grows by; a fresh process each time."""
    code = "import run; print(*run.grown_mib())"
    command = [sys.executable, "-c", code]
    runs = [
        subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, check=True).stdout.split()
        for _ in range(5)
    ]
    region, whole = zip(*([float(mib) for mib in run] for run in runs))
    return [
        Row("region, resident, 16 threads", "MiB", list(region), 8),
        Row("  the whole process has grown by", "MiB", list(whole)),
    ]


def grown_mib():
    """How much of the region is resident, and what the process has grown by."""
    stop = threading.Event()

    def work():
        while not stop.is_set():
            workloads.traffic(100)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    before, known = resident_kib(), mappings()
    gilprof.start()
    time.sleep(2)
    after = resident_kib()
    fresh = (value for address, value in mappings().items() if address not in known)
    # The region is by far the largest of what is new.
    region, _ = max(fresh, key=lambda value: value[1])
    gilprof.stop()
    stop.set()
    return region / 1024, (after - before) / 1024


def reader_cpu_seconds():
    """CPU time of the thread that follows the events."""
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text().strip() == "gilprof-reader":
            return int((task / "schedstat").read_text().split()[0]) / 1e9
    raise RuntimeError("the recording has no reader thread")


def reader():
    """A steady stream of a bit more than two million events a second."""
    rates, shares, dropped = zip(*(stream(workloads.pair_function()) for _ in range(5)))
    return [
        Row("stream of events, in millions a second", "M/s", list(rates), 2, at_least=True),
        Row("  of which dropped", "%", list(dropped), 0),
        Row("  reader thread, of one core", "%", list(shares), 50),
    ]


def stream(release_and_acquire, seconds=2.0, step=0.005, pairs=5_500):
    gilprof.start()
    # The reader thread names itself when it first runs.
    time.sleep(0.1)
    begin, cpu = time.perf_counter(), reader_cpu_seconds()
    due = begin
    while due < begin + seconds:
        release_and_acquire(pairs)
        due += step
        time.sleep(max(0.0, due - time.perf_counter()))
    wall = time.perf_counter() - begin
    share = (reader_cpu_seconds() - cpu) / wall * 100
    profile = gilprof.stop()
    return 2 * pairs * seconds / step / wall / 1e6, share, dropped_percent(profile)


def dropped_percent(profile):
    return profile.dropped / max(profile.events, 1) * 100


def snapshot():
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(100)]
    gilprof.start()
    for thread in threads:
        thread.start()
    samples = [timed(gilprof.snapshot)[0] * 1e3 for _ in range(100)]
    stop.set()
    for thread in threads:
        thread.join()
    gilprof.stop()
    return [Row("snapshot() with 100 threads", "ms", samples, 1)]


def each_ns(profiled, block, times=20_000):
    """What a turn of the block takes beyond the loop around it, in ns."""

    def loop(times):
        for _ in range(times):
            pass

    def once():
        spent = timed(lambda: block(times))[0] - timed(lambda: loop(times))[0]
        return spent / times * 1e9

    return recorded(profiled, lambda: [once() for _ in range(ROUNDS)])


def measure():
    """A whole `with` statement around nothing, also with the question who is to blame."""

    def block(times):
        for _ in range(times):
            with gilprof.measure("nothing"):
                pass

    def blaming(times):
        for _ in range(times):
            with gilprof.measure("nothing", blame=True):
                pass

    return [
        Row("with gilprof.measure(...)", "ns", each_ns(True, block), 2_000),
        Row("with gilprof.measure(..., blame=True)", "ns", each_ns(True, blaming, 500)),
    ]


def span():
    """A whole `with` statement around nothing, with a recording and without."""

    def block(times):
        for _ in range(times):
            with gilprof.span("GET /users"):
                pass

    def again(times, label=gilprof.span("GET /users")):
        for _ in range(times):
            with label:
                pass

    return [
        Row("with gilprof.span(...)", "ns", each_ns(True, block), 2_000),
        Row("  one that is used again", "ns", each_ns(True, again)),
        Row("  while nothing is recorded", "ns", each_ns(False, block)),
        Row("  one that is used again, then", "ns", each_ns(False, again)),
    ]


def fork():
    """How much longer os.fork() takes where the process is recorded, and all of a child that
    ends at once."""

    def once():
        begin = time.perf_counter()
        child = os.fork()
        if child == 0:
            os._exit(0)
        forked = time.perf_counter()
        os.waitpid(child, 0)
        ended = time.perf_counter()
        # By then, a reader sleeps again.
        time.sleep(0.005)
        return (forked - begin) * 1e6, (ended - begin) * 1e6

    def medians(profiled):
        times = recorded(profiled, lambda: [once() for _ in range(20)])
        return [statistics.median(some) for some in zip(*times)]

    pairs = alternated(medians, ROUNDS)
    in_parent, to_its_end = ([(a[at], b[at]) for a, b in pairs] for at in (0, 1))
    bare = statistics.median(without for without, _ in in_parent)
    return [
        Row(f"os.fork() (bare: {bare:.0f} us)", "us", differences(in_parent)),
        Row("  until its child has ended", "us", differences(to_its_end)),
    ]


BENCHES = [
    pair,
    cpu_threads,
    io_threads,
    thread_churn,
    quick_churn,
    thread_storm,
    handoff_storm,
    import_time,
    idle,
    memory,
    reader,
    snapshot,
    measure,
    span,
    fork,
    attach,
    stalls,
]


def judged(row):
    """Whether the median is within the budget, as far as the noise lets tell."""
    if row.budget is None:
        return ""
    low, high = median_interval(row.samples)
    if row.at_least:
        low, high, budget = -high, -low, -row.budget
    else:
        budget = row.budget
    if high <= budget:
        return "ok"
    return "over" if low > budget else "noise too high to tell"


def figure(value):
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"


def line(row):
    first, median, third = map(figure, quartiles(row.samples))
    sign = ">=" if row.at_least else "<="
    budget = "" if row.budget is None else f"{sign} {row.budget:g} {row.unit}"
    measured = f"{median:>9} {row.unit:4}"
    spread = f"{first} to {third}"
    return f"{row.what:42} {budget:>12} {measured} {spread:>20}  {judged(row)}".rstrip()


def machine():
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = cpuinfo.split("model name")[1].split(":", 1)[1].split("\n")[0].strip()
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} x {model}, Linux {platform.release()}, load {load}\n"
        f"Python {platform.python_version()}, gilprof {gilprof.__version__}, "
        f"{datetime.date.today().isoformat()}"
    )


def main(names):
    known = {bench.__name__: bench for bench in BENCHES}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no bench is called {', '.join(unknown)}; there are {', '.join(known)}")
    print(machine())
    print("measured: median; spread: middle half of the rounds; % against the same program without\n")
    print(f"{'what':42} {'budget':>12} {'measured':>14} {'spread':>20}")
    for name in names or known:
        for row in known[name]():
            print(line(row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

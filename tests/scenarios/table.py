"""The scenarios and what must be said of them."""

from scenario import Load, Scenario, ids

CONTENTION = ids(
    "gil-bound native-hold blocked-hold convoy hand-off too-many-threads starved-interpreter"
)
NOT_CONTENTION = ids("single-threaded io-bound lock-bound parallel-native not-the-gil no-gil")
NOT_PYTHON = ids("native-hold blocked-hold starved-interpreter gc")
QUIET = CONTENTION | ids("thread-churn gc")
BUSY = {"held": (0.70, 1.0), "waiting": (0.35, 4.5)}
ALONE = {"held": (0.75, 1.0), "waiting": (0.0, 0.10)}
IDLE = {"held": (0.0, 0.40), "waiting": (0.0, 0.20)}


def gil_bound(name, run, **more):
    """Threads queue for Python code."""
    never = NOT_CONTENTION | NOT_PYTHON
    more = {"first": ids("gil-bound"), "never": never, "says": ("burn",), **BUSY, **more}
    return Scenario(name, run, **more)


def io_bound(name, run, **more):
    """Threads sleep or read outside the GIL."""
    more = {"first": ids("io-bound"), "never": QUIET, **IDLE, **more}
    return Scenario(name, run, **more)


def alone(name, run, **more):
    """One thread does it all."""
    more = {"first": ids("single-threaded"), "never": QUIET, **ALONE, **more}
    return Scenario(name, run, **more)


def native(name, kind, says, **more):
    """A C function keeps the GIL."""
    never = NOT_CONTENTION
    run = ("ccalls.py", kind, "-n", "2", "-t", "2")
    more = {"first": ids("native-hold"), "never": never, "says": says, **BUSY, **more}
    return Scenario(name, run, **more)


def parallel(name, kind, first="parallel-native", **more):
    """C code runs without the GIL."""
    run = ("ccalls.py", kind, "-n", "2", "-t", "2")
    return Scenario(name, run, first=ids(first), never=QUIET, **{**IDLE, **more})


PROGRAMS = [
    gil_bound("threads", ("cpu_threads.py", "-n", "2"), says=("cpu_heavy",), fast=True),
    alone("one-thread", ("cpu_threads.py", "-n", "1"), says=("cpu",), fast=True),
    Scenario(
        "threads-one-cpu",
        ("taskset", "-c", "0", "cpu_threads.py", "-n", "2"),
        first=ids("cpu-starved"),
        never=NOT_CONTENTION,
        held=(0.80, 1.0),
        needs=("taskset",),
        fast=True,
    ),
    alone("processes", ("cpu_processes.py", "-n", "2"), processes=2, itself=True),
    io_bound("io-threads", ("io_threads.py", "{slow}"), slow_server=True, fast=True),
    Scenario(
        "c-purepy",
        ("ccalls.py", "purepy", "-n", "2", "-t", "2"),
        first=ids("gil-bound"),
        never=NOT_CONTENTION | NOT_PYTHON,
        says=("count",),
        fast=True,
        **BUSY,
    ),
    native("c-json", "json", ("json", "encoder", "c_make_encoder", "_json"), fast=True),
    native("c-re", "re", ("sre", "match", "regex"), fast=True),
    native("c-sorted", "sorted", ("sort",), fast=True),
    native("c-numba-gil", "numba_gil", ("kernel", "numba_kernel", "ccalls.py")),
    parallel("c-numba-nogil", "numba_nogil"),
    parallel("c-matmul", "matmul"),
    parallel("c-zlib", "zlib"),
    parallel("c-hashlib", "hashlib"),
    parallel("c-usleep", "cdll_usleep", "io-bound", fast=True),
    Scenario(
        "c-usleep-holding",
        ("ccalls.py", "pydll_usleep", "-n", "2", "-t", "2"),
        first=ids("blocked-hold"),
        never=NOT_CONTENTION | ids("native-hold"),
        says=("usleep",),
        fast=True,
        **BUSY,
    ),
    Scenario(
        "convoy",
        ("convoy.py", "--cpu", "py"),
        first=ids("convoy gil-bound"),
        also=ids("convoy"),
        never=NOT_CONTENTION | NOT_PYTHON,
        says=("cpu_py", "cpu"),
        held=(0.60, 1.0),
        waiting=(0.3, 2.0),
        fast=True,
    ),
    Scenario(
        "convoy-twin",
        ("convoy.py", "--cpu", "none"),
        first=ids("io-bound not-the-gil nothing-yet single-threaded"),
        never=QUIET,
        fast=True,
        **IDLE,
    ),
    Scenario(
        "loop-beside-cpu",
        ("loop_lag.py", "-n", "1"),
        first=ids("gil-bound convoy"),
        also=ids("convoy"),
        never=NOT_CONTENTION | NOT_PYTHON,
        fast=True,
        held=(0.80, 1.0),
        waiting=(0.3, 2.0),
    ),
    Scenario(
        "loop-blocked",
        ("loop_lag.py", "-n", "0", "--block", "50"),
        first=ids("single-threaded"),
        never=QUIET,
        says=("busy_callback",),
        held=(0.10, 0.90),
        waiting=(0.0, 0.05),
        fast=True,
    ),
    Scenario(
        "pytest",
        ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--confcutdir=.", "guilty_tests.py"),
        first=ids("blocked-hold native-hold"),
        also=ids("blocked-hold native-hold"),
        never=NOT_CONTENTION,
        says=("test_holds_gil_200ms_blocked", "test_re_holds_gil"),
    ),
]

DASK = [
    gil_bound("dask-hold", ("dask_gil.py", "hold"), says=("hold",), itself=True),
    Scenario(
        "dask-hold-c",
        ("dask_gil.py", "hold_c"),
        first=ids("native-hold"),
        never=NOT_CONTENTION,
        says=("sort",),
        itself=True,
        **BUSY,
    ),
    Scenario(
        "dask-release",
        ("dask_gil.py", "release"),
        first=ids("parallel-native"),
        never=QUIET,
        itself=True,
        **IDLE,
    ),
    Scenario(
        "dask-idle",
        ("dask_gil.py", "idle"),
        first=ids("io-bound not-the-gil"),
        never=QUIET,
        itself=True,
        **IDLE,
    ),
]

RUNSERVER = ("manage.py", "runserver", "127.0.0.1:{port}", "--noreload")
DJANGO = [
    Scenario(
        "django-two-tabs",
        (*RUNSERVER, "--nothreading"),
        first=ids("single-threaded io-bound"),
        never=QUIET,
        says=("sleep",),
        load=(Load("/sleep?s=1.5", tabs=2),),
        **IDLE,
    ),
    io_bound("django-sleep", RUNSERVER, load=(Load("/sleep?s=0.05"),), says=("sleep",)),
    gil_bound("django-cpu", RUNSERVER, load=(Load("/cpu"),), says=("cpu",)),
    Scenario(
        "django-db",
        RUNSERVER,
        first=ids("lock-bound parallel-native io-bound not-the-gil"),
        never=CONTENTION,
        held=(0.0, 0.6),
        load=(Load("/db"),),
    ),
]


def gunicorn(*more):
    return ("-m", "gunicorn", "-b", "127.0.0.1:{port}", "--log-level", "warning", *more)


APP = "wsgiapp:application"
THREADED = gunicorn("-w", "1", "-k", "gthread", "--threads", "4", APP)
GUNICORN = [
    alone(
        "gunicorn-sync",
        gunicorn("-w", "1", "-k", "sync", APP),
        load=(Load("/cpu"),),
        says=("burn",),
    ),
    alone(
        "gunicorn-sync-two",
        gunicorn("-w", "2", "-k", "sync", APP),
        load=(Load("/cpu"),),
        processes=2,
        held=(0.5, 1.0),
    ),
    gil_bound("gunicorn-threads-cpu", THREADED, load=(Load("/cpu"),)),
    io_bound("gunicorn-threads-sleep", THREADED, load=(Load("/sleep"),), says=("answer",)),
    Scenario(
        "gunicorn-threads-chold",
        THREADED,
        first=ids("blocked-hold"),
        never=NOT_CONTENTION | ids("native-hold"),
        says=("usleep",),
        load=(Load("/chold"),),
        **BUSY,
    ),
    Scenario(
        "gunicorn-threads-hash",
        THREADED,
        first=ids("parallel-native"),
        never=QUIET,
        held=(0.0, 0.6),
        load=(Load("/hash"),),
    ),
    alone(
        "gunicorn-gevent-cpu",
        gunicorn("-w", "1", "-k", "gevent", APP),
        load=(Load("/cpu"),),
        says=("burn",),
    ),
]

UVICORN = ("-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "asgiapp:app")
FASTAPI = [
    io_bound(
        "fastapi-def-calls-out", UVICORN, load=(Load("/status"),), slow_server=True, held=(0.0, 0.5)
    ),
    gil_bound("fastapi-def-cpu", UVICORN, load=(Load("/cpu"),)),
    alone("fastapi-async-cpu", UVICORN, load=(Load("/acpu"),), says=("acpu", "burn")),
    io_bound(
        "fastapi-async-calls-out",
        UVICORN,
        load=(Load("/areq"),),
        slow_server=True,
        says=("areq", "recv", "read"),
    ),
]

WSGI = [
    row
    for server in ("cheroot", "cherrypy", "waitress", "paste")
    for row in (
        gil_bound(f"{server}-cpu", ("serve.py", server, "{port}", "4"), load=(Load("/cpu"),)),
        io_bound(f"{server}-sleep", ("serve.py", server, "{port}", "4"), load=(Load("/sleep"),)),
    )
]


def apache(name, mode, **more):
    needs = ("apache2", "apxs2")
    return gil_bound(name, ("apache", mode), control="/record", needs=needs, **{"says": (), **more})


APACHE = [
    apache("apache-embedded", "embedded", load=(Load("/cpu"),), processes=2, uneven=True),
    apache(
        "apache-daemon",
        "daemon",
        load=(Load("/cpu"),),
        processes=2,
        uneven=True,
        held=(0.4, 1.0),
        waiting=(0.1, 3.5),
    ),
    apache(
        "apache-two-applications",
        "twoapps",
        load=(Load("/a/cpu?n=3000000", 1), Load("/b/ping", 1)),
        first=ids("starved-interpreter"),
        never=NOT_CONTENTION,
    ),
    apache(
        "apache-one-interpreter",
        "global",
        load=(Load("/a/cpu?n=3000000", 1), Load("/b/ping", 1)),
        first=ids("gil-bound convoy"),
    ),
]

SCENARIOS = [*PROGRAMS, *DJANGO, *GUNICORN, *FASTAPI, *WSGI, *APACHE, *DASK]

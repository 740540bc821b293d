"""The code that time went to."""

import json

import gilprof
import pytest
import workloads

FRAMES = [
    {"function": "crunch", "file": "/srv/app/work.py", "line": 10},
    {"function": "main", "file": "/srv/app/work.py", "line": 3},
    {"function": "dumps", "file": "/usr/lib/python3.12/json/__init__.py", "line": 231},
    {"function": "list_sort", "file": "libpython3.12.so.1.0", "line": 0, "native": True},
]


def site(kind, thread, stack, weight_ns):
    return dict(kind=kind, thread=thread, stack=stack, weight_ns=weight_ns, samples=2)


@pytest.fixture
def saved(tmp_path):
    """A recorded profile, and how to load it with other fields."""
    with gilprof.profile() as p:
        workloads.handing_off(2, 10)

    def load(**fields):
        path = tmp_path / "sites.json"
        path.write_text(json.dumps({**json.loads(p.to_json()), **fields}))
        return gilprof.load(path)

    return load


@pytest.fixture
def profile(saved):
    first = saved().threads[0].id
    return saved(
        frames=FRAMES,
        sites=[
            site("blame", first, [0, 1], 30),
            site("blame", first, [2, 1], 50),
            site("blame", first, [], 5),
            site("detached", first, [1], 70),
            site("wait", first, [2], 20),
        ],
        stacks_missing=None,
        stacks_lost=3,
    )


def test_sites_are_those_of_blame_the_heaviest_first(profile):
    heaviest, other, unknown = profile.sites()
    assert (heaviest.kind, heaviest.weight_ns, heaviest.samples) == ("blame", 50, 2)
    assert heaviest.thread is profile.threads[0]
    assert [frame.function for frame in heaviest.stack] == ["dumps", "main"]
    assert [frame.function for frame in other.stack] == ["crunch", "main"]
    assert unknown.stack == []


def test_a_frame_says_where_it_is(profile):
    (frame, _main) = profile.sites("blame")[0].stack
    assert (frame.file, frame.line) == (FRAMES[2]["file"], 231)
    assert frame.module == "json"


def test_each_kind_has_its_own_sites(profile):
    (away,) = profile.sites(kind="detached")
    assert (away.kind, away.weight_ns) == ("detached", 70)
    assert profile.sites("hold") == []


def test_a_site_cannot_be_changed(profile):
    heaviest = profile.sites()[0]
    heaviest.stack.clear()
    assert len(heaviest.stack) == 2
    with pytest.raises(AttributeError):
        heaviest.weight_ns = 0
    with pytest.raises(AttributeError):
        heaviest.stack[0].line = 0


def test_a_wrong_kind_is_told_the_right_ones(profile):
    with pytest.raises(gilprof.OptionError, match='"idle".*blame, wait, hold, detached'):
        profile.sites("idle")


@pytest.mark.parametrize(
    "by, keys",
    [
        ("site", ["dumps (/usr/lib/python3.12/json/__init__.py:231)", "crunch (/srv/app/work.py:10)"]),
        ("function", ["dumps (/usr/lib/python3.12/json/__init__.py)", "crunch (/srv/app/work.py)"]),
        ("file", ["/usr/lib/python3.12/json/__init__.py", "/srv/app/work.py"]),
        ("module", ["json", "work"]),
    ],
)
def test_waiting_is_told_by_the_code_that_caused_it(profile, by, keys):
    rows = profile.query().by(by).rows()
    assert [row.key for row in rows] == [*keys, "(unknown)"]
    assert [row.total_ns for row in rows] == [50, 30, 5]
    assert [row.count for row in rows] == [2, 2, 2]


def test_each_kind_of_stacks_is_asked_by_its_word(profile):
    totals = {}
    for kind in ("blame", "wait", "hold", "detached"):
        rows = profile.query().kind(kind).by("function").rows()
        assert rows.kind == kind
        totals[kind] = {row.key.split()[0]: row.total_ns for row in rows}
    assert totals["wait"] == {"dumps": 20}
    assert totals["detached"] == {"main": 70}
    assert totals["hold"] == {}
    assert profile.query().rows().kind is None


def test_patterns_choose_functions_and_files(profile):
    query = profile.query().by("function")
    for chosen in (query.functions("d*"), query.files("*/json/*"), query.files("/usr/*.py")):
        assert [row.total_ns for row in chosen.rows()] == [50]
    (row,) = profile.query().functions("crunch").by("holder").rows()
    assert (row.key, row.total_ns) == (profile.threads[0].name, 30)


def test_a_waiters_stack_does_not_know_the_holder(profile):
    with pytest.raises(gilprof.Error, match="ask for kind blame"):
        profile.query().kind("wait").by("holder").rows()


def test_stacks_that_were_lost_are_counted(profile):
    assert profile.stacks_lost == 3
    assert profile.stacks_missing is None


def test_without_stacks_the_reason_is_said(saved):
    none = saved(frames=[], sites=[], stacks_missing="n/a (switched off)")
    assert none.stacks_missing == "n/a (switched off)"
    assert none.sites() == []
    with pytest.raises(gilprof.Error, match=r"without stacks: n/a \(switched off\)"):
        none.query().by("site").rows()


def test_a_profile_of_the_first_format_has_no_stacks(saved):
    first = saved(format=1, frames=[], sites=[], stacks_missing=None)
    assert first.stacks_missing == "n/a (saved by a version without stacks)"


def test_a_stack_of_frames_that_are_not_there_is_refused(saved):
    with pytest.raises(gilprof.FormatError, match=r"sites\[0\]\.stack\[1\] is 9"):
        saved(frames=FRAMES, sites=[site("hold", saved().threads[0].id, [0, 9], 1)])


def test_native_functions_are_told_apart(saved):
    thread = saved().threads[0].id
    with_native = {**site("blame", thread, [0], 9), "native": [3]}
    (row,) = saved(frames=FRAMES, sites=[with_native], blocked=[]).sites()
    assert [(frame.function, frame.native) for frame in row.stack] == [("crunch", False)]
    (c_function,) = row.native
    assert (c_function.function, c_function.module, c_function.native) == (
        "list_sort",
        "libpython3.12.so.1.0",
        True,
    )


def test_what_threads_were_blocked_on_is_told(saved):
    row = dict(
        thread=saved().threads[0].id,
        state="detached",
        call="futex",
        on="lock",
        lock=4096,
        native=[3],
        weight_ns=70,
        samples=2,
    )
    loaded = saved(frames=FRAMES, sites=[], blocked=[row], blocked_missing=None)
    (blocked,) = loaded.blocked
    assert (blocked.thread, blocked.state) == (loaded.threads[0], "detached")
    assert (blocked.call, blocked.on, blocked.lock) == ("futex", "lock", 4096)
    assert [frame.function for frame in blocked.native] == ["list_sort"]
    assert (blocked.weight_ns, blocked.samples) == (70, 2)
    assert repr(blocked) == "<Blocked detached futex on=lock weight=70ns samples=2>"
    assert loaded.blocked_missing is None

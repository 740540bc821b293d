"""Tables that other libraries read through Arrow's PyCapsule interface."""

import gc
import os
import subprocess
import sys
import time

import gilprof
import pytest
import workloads

pyarrow = pytest.importorskip("pyarrow")
polars = pytest.importorskip("polars")


@pytest.fixture(scope="module")
def profile():
    with gilprof.profile(timeline="16MB") as p:
        workloads.spinning(2)
        workloads.together(("named-1", lambda: workloads.spin(0.02)))
    return p.result


def test_the_rows_of_a_query_are_read_by_pyarrow_and_polars(profile):
    rows = profile.query().state("holding").rows()
    dicts = rows.to_dicts()
    assert pyarrow.table(rows).to_pylist() == dicts
    assert polars.DataFrame(rows).to_dicts() == dicts


def test_what_is_not_known_is_null(profile):
    (row,) = pyarrow.table(profile.query().state("detached").top(1).rows()).to_pylist()
    assert (row["count"], row["mean_ns"], row["p50_ns"]) == (None, None, None)


def test_an_answer_of_no_rows_has_its_columns(profile):
    rows = profile.query().threads("nobody").rows()
    table = pyarrow.table(rows)
    assert (table.num_rows, table.column_names[0]) == (0, "key")


@pytest.mark.parametrize("name", ["history", "events", "holds", "waits"])
def test_each_table_is_the_same_in_pyarrow_and_polars(profile, name):
    table = profile.table(name)
    arrow, frame = pyarrow.table(table), polars.DataFrame(table)
    assert tuple(arrow.column_names) == tuple(frame.columns) == table.columns
    assert arrow.num_rows == frame.height == len(table) > 0
    assert pyarrow.schema(table) == arrow.schema
    assert [list(row.values()) for row in arrow.to_pylist()] == [list(row) for row in frame.rows()]


def test_a_table_can_be_read_twice_or_never(profile):
    table = profile.table("holds")
    assert pyarrow.table(table) == pyarrow.table(table)
    capsule = table.__arrow_c_stream__()
    del table, capsule
    gc.collect()


def test_holds_and_waits_are_all_there_are(profile):
    """As many, and as long, as the exact distributions say."""
    holds, waits = (pyarrow.table(profile.table(name)).to_pylist() for name in ("holds", "waits"))
    assert profile.timeline_forgotten == 0 and profile.dropped == 0
    for name in ("spin-0", "spin-1", "named-1"):
        (thread,) = [one for one in profile.threads if one.name == name]
        for rows, durations in ((holds, thread.hold), (waits, thread.wait)):
            of_thread = [row["duration_ns"] for row in rows if row["thread"] == thread.id]
            assert (len(of_thread), sum(of_thread)) == (durations.count, durations.total_ns)


def test_a_hold_of_the_table_is_that_of_the_worst_holds(profile):
    worst = profile.holds[0]
    holds = pyarrow.table(profile.table("holds")).to_pylist()
    (row,) = [row for row in holds if row["began_ns"] == worst.start_ns - profile.start_ns]
    assert row == {
        "began_ns": worst.start_ns - profile.start_ns,
        "duration_ns": worst.duration_ns,
        "gil": 0,
        "thread": worst.thread.id,
        "thread_name": worst.thread.name,
        "waiters_start": worst.waiters_start,
        "waiters_max": worst.waiters_max,
        "waiter_time_ns": worst.waiter_time_ns,
        "contended_ns": worst.contended_ns,
        "requested": worst.requested,
    }


def test_events_tell_each_threads_story_in_order(profile):
    events = pyarrow.table(profile.table("events")).to_pylist()
    kinds = {"begin", "wait", "acquire", "release", "drop-request", "switch-wait", "end", "reborn"}
    assert {row["kind"] for row in events} <= kinds
    times = [row["time_ns"] for row in events if row["kind"] in ("acquire", "release")]
    assert times == sorted(times)
    for row in events:
        assert (row["requested"] is not None) == (row["kind"] == "release")
        assert (row["duration_ns"] is not None) == (row["kind"] == "switch-wait")


def test_a_window_has_the_events_of_its_time():
    with gilprof.profile(timeline="16MB") as p:
        workloads.together(("early", lambda: workloads.spin(0.02)))
        early = p.snapshot()
        workloads.together(("late", lambda: workloads.spin(0.02)))
    names = set(polars.DataFrame((p.result - early).table("holds"))["thread_name"].to_list())
    assert "late" in names and "early" not in names


def test_a_saved_profile_keeps_its_timeline(profile, tmp_path):
    path = os.path.join(str(tmp_path), "profile.json")
    profile.save(path)
    loaded = gilprof.load(path)
    assert pyarrow.table(loaded.table("holds")) == pyarrow.table(profile.table("holds"))


def test_old_events_are_forgotten_and_counted():
    def traffic():
        for _ in range(60_000):
            time.sleep(0)

    with gilprof.profile(timeline="1MB") as p:
        workloads.together(("traffic", traffic))
    assert p.timeline_forgotten > 0
    assert len(p.table("events")) + p.timeline_forgotten <= p.events
    assert len(p.table("events")) * 16 <= 1_000_000


def test_without_a_timeline_the_reason_is_said():
    with gilprof.profile() as p:
        pass
    assert p.timeline_forgotten is None
    with pytest.raises(gilprof.Error, match="option timeline=64MB"):
        p.table("holds")
    assert p.table("history").columns[0] == "began_ns"


def test_a_wrong_word_is_told_the_right_ones(profile):
    with pytest.raises(gilprof.OptionError, match='"stacks".*history, events, holds, waits'):
        profile.table("stacks")


def test_importing_gilprof_imports_none_of_them():
    code = "import sys, gilprof; print('pyarrow' in sys.modules, 'polars' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout.split() == [b"False", b"False"]

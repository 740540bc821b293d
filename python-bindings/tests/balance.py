"""The sums that every profile must keep, to the nanosecond."""

from collections import defaultdict


def assert_balanced(profile):
    assert profile.dropped == 0
    assert profile.unaccounted_threads == 0
    for thread in profile.threads:
        parts = thread.holding_ns + thread.waiting_ns + thread.detached_ns
        assert parts == thread.lifetime_ns, thread
        if thread.cpu_ns is not None:
            held = thread.holding_cpu_ns + thread.holding_preempted_ns + thread.holding_blocked_ns
            assert held <= thread.holding_ns
            assert thread.detached_cpu_ns <= thread.detached_ns
            assert thread.holding_cpu_ns + thread.detached_cpu_ns <= thread.cpu_ns
    waiting = sum(thread.waiting_ns for thread in profile.threads)
    handoff = sum(thread.handoff_ns for thread in profile.threads)
    blamed = sum(row.waiting_ns for row in profile.blame)
    assert blamed + handoff == waiting
    assert (profile.waiting_ns, profile.handoff_ns) == (waiting, handoff)
    columns = defaultdict(int)
    for row in profile.blame:
        columns[row.holder.id] += row.waiting_ns
    assert columns == {t.id: t.caused_ns for t in profile.threads if t.caused_ns}
    for gil in profile.gils:
        assert gil.holding_ns + gil.free_ns <= profile.wall_ns
        assert gil.caused_ns + gil.handoff_ns == gil.waiting_ns
        holding = sum(t.holding_ns for t in profile.threads if t.gil == gil.index)
        assert holding == gil.holding_ns or len(profile.gils) > 1
    assert sum(gil.holding_ns for gil in profile.gils) == profile.holding_ns
    assert sum(gil.waiting_ns for gil in profile.gils) == profile.waiting_ns
    assert profile.imbalances() == []


def thread(profile, name):
    """The one thread of this name."""
    found = [one for one in profile.threads if one.name == name]
    assert len(found) == 1, [one.name for one in profile.threads]
    return found[0]

"""Asking a profile."""

import gilprof
import pytest
import workloads


@pytest.fixture(scope="module")
def profile():
    with gilprof.profile() as p:
        workloads.spinning(3)
    return p.result


def test_rows_come_greatest_first_and_only_as_many_as_asked_for(profile):
    rows = profile.query().threads("spin-*").state("waiting").by("thread").top(2).rows()
    assert len(rows) == 2
    assert rows[0].total_ns >= rows[1].total_ns
    assert all(row.key.startswith("spin-") for row in rows)
    assert (rows.state, rows.by) == ("waiting", "thread")


def test_rows_add_up_to_the_profile(profile):
    total = sum(row.total_ns for row in profile.query().by("state").rows())
    assert total == sum(thread.lifetime_ns for thread in profile.threads)
    waiting = sum(row.total_ns for row in profile.query().rows())
    assert waiting == profile.waiting_ns


def test_dicts_have_the_rows_fields(profile):
    (row,) = profile.query().top(1).rows()
    (as_dict,) = profile.query().top(1).rows().to_dicts()
    assert as_dict == {name: getattr(row, name) for name in as_dict}
    assert list(as_dict)[:4] == ["key", "id", "count", "total_ns"]


def test_a_part_of_the_time_is_rounded_outward_and_says_so(profile):
    half = profile.wall_ns // 2
    rows = profile.query().between(0, half).state("holding").rows()
    assert rows.from_ns == 0
    assert half <= rows.to_ns < profile.wall_ns
    assert 0 < sum(row.total_ns for row in rows) < profile.holding_ns


def test_a_query_is_not_changed_by_its_verbs(profile):
    query = profile.query()
    query.top(1)
    assert len(query.rows()) == len(profile.query().rows()) > 1


@pytest.mark.parametrize("verb, allowed", [("state", "detached"), ("by", "holder")])
def test_a_wrong_word_is_told_the_right_ones(profile, verb, allowed):
    with pytest.raises(gilprof.OptionError, match=f'"idle".*{allowed}'):
        getattr(profile.query(), verb)("idle")


def test_a_time_outside_of_the_recording_is_an_error(profile):
    with pytest.raises(gilprof.Error, match="no history"):
        profile.query().between(10**15, 10**16).rows()


def test_distributions_agree_with_their_buckets(profile):
    for thread in profile.threads:
        hold = thread.hold
        assert hold.count == sum(count for _low, _high, count in hold.buckets())
        if hold.count:
            assert hold.min_ns <= hold.quantile(0.5) <= hold.quantile(1.0) <= hold.max_ns
            assert hold.mean_ns == hold.total_ns / hold.count
    with pytest.raises(gilprof.OptionError, match=r"0\.0 to 1\.0"):
        hold.quantile(1.5)


def test_an_empty_distribution_knows_nothing():
    with gilprof.profile() as p:
        pass
    wait = p.threads[0].wait
    assert (wait.count, wait.min_ns, wait.mean_ns, wait.quantile(0.5)) == (0, None, None, None)
    assert wait.buckets() == []

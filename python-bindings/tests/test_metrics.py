"""profile.metrics(): what monitoring systems are told of a profile."""

import math

import gilprof
import pytest
import workloads


@pytest.fixture(scope="module")
def profile():
    with gilprof.profile() as p:
        workloads.spinning(2)
    return p.result


def metric(profile, name):
    (found,) = (one for one in profile.metrics() if one.name == name)
    return found


def test_numbers_are_those_of_the_profile(profile):
    gil = profile.gils[0]
    numbers = {
        "python_gil_wait_seconds": gil.waiting_ns / 1e9,
        "python_gil_hold_seconds": gil.holding_ns / 1e9,
        "python_gil_waits": gil.wait.count,
        "python_gil_acquisitions": gil.acquisitions,
        "python_gil_drop_requests": gil.drop_requests,
        "python_gil_switches": gil.switches,
    }
    for name, number in numbers.items():
        (point,) = metric(profile, name).points
        assert point.labels == (("interpreter", "0"),)
        assert point.value == number > 0
        assert type(point.value) is type(number)
        assert point.sum is None and point.buckets is None


def test_histograms_are_those_of_the_distributions(profile):
    for name in ("wait", "hold"):
        durations = getattr(profile.gils[0], name)
        (point,) = metric(profile, f"python_gil_{name}_duration_seconds").points
        edges, counts = zip(*point.buckets)
        assert edges[0] == 1e-5 and 0.005 in edges and edges[-1] == math.inf
        assert list(edges) == sorted(edges) and list(counts) == sorted(counts)
        assert counts[-1] == durations.count
        assert point.sum == durations.total_ns / 1e9
        assert point.value is None
        for edge, count in point.buckets[:-1]:
            below = [one for _, high, one in durations.buckets() if high <= edge * 1e9]
            assert count == sum(below)


def test_gauges_have_one_point_without_a_label(profile):
    interval = metric(profile, "python_gil_switch_interval_seconds")
    (point,) = interval.points
    assert (interval.kind, interval.unit, point.labels) == ("gauge", "seconds", ())
    assert point.value == profile.switch_interval_ns / 1e9


def test_merged_profiles_are_summed(profile):
    merged = gilprof.merge(profile, profile)
    (alone,), (both,) = (
        metric(one, "python_gil_acquisitions").points for one in (profile, merged)
    )
    assert both.value == 2 * alone.value


def test_they_say_what_they_are(profile):
    waits = metric(profile, "python_gil_waits")
    assert repr(waits) == "<Metric python_gil_waits counter>"
    assert repr(waits.points[0]) == f"<MetricPoint interpreter=0 {waits.points[0].value}>"
    with pytest.raises(AttributeError):
        waits.name = "other"

"""Numbers pushed through a function: gilprof.statsd."""

import logging
import queue
import threading

import gilprof
import pytest
import workloads
from forked import holds_in_a_child
from gilprof.statsd import Pusher


class Sent(list):
    """What was sent, as (name, value, kind)."""

    def __call__(self, *sent):
        self.append(sent)

    def total(self, name):
        return sum(value for one, value, _ in self if one == name)


@pytest.fixture
def sent():
    return Sent()


def number(name):
    """What a counter is now."""
    (metric,) = (one for one in gilprof.snapshot().metrics() if one.name == name)
    return metric.points[0].value


def test_increments_come_to_the_counter(sent):
    with Pusher(sent) as pusher:
        last = 0
        for _ in range(3):
            workloads.spinning(2)
            before = number("python_gil_wait_seconds")
            pusher.push()
            after = number("python_gil_wait_seconds")
            assert last < before <= sent.total("python_gil_wait_seconds") * (1 + 1e-9)
            assert sent.total("python_gil_wait_seconds") <= after * (1 + 1e-9)
            last = after
    assert not gilprof.is_running()


def test_gauges_are_what_they_are(sent):
    with Pusher(sent) as pusher:
        pusher.push()
        pusher.push()
    gauges = [value for name, value, kind in sent if name == "python_gil_enabled"]
    assert gauges == [1, 1, 1]
    assert {kind for _, _, kind in sent} == {"counter", "gauge"}


def test_who_closes_it_sends_a_last_time_and_once(sent):
    pusher = Pusher(sent)
    workloads.spinning(2)
    pusher.close()
    assert sent.total("python_gil_wait_seconds") > 0
    count = len(sent)
    pusher.close()
    assert len(sent) == count


def test_with_an_interval_a_thread_sends():
    told = queue.Queue()
    before = threading.active_count()
    with Pusher(lambda *sent: told.put(sent), interval="10ms"):
        for _ in range(3):
            while told.get(timeout=60)[0] != "python_gil_enabled":
                pass
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_what_raises_is_told_once_and_sent_the_next_time(sent, caplog):
    def send(name, value, kind):
        if len(failed) < 20:
            failed.append(name)
            raise OSError("nobody is there")
        sent(name, value, kind)

    failed = []
    with caplog.at_level(logging.ERROR, "gilprof.metrics"):
        with Pusher(send) as pusher:
            workloads.spinning(2)
            for _ in range(3):
                pusher.push()
            least = number("python_gil_wait_seconds")
    assert len(failed) == 20 and len(caplog.records) == 1
    assert "could not be sent" in caplog.text and "nobody is there" in caplog.text
    assert sent.total("python_gil_wait_seconds") * (1 + 1e-9) >= least


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_sends_its_own_numbers(sent):
    with Pusher(sent) as pusher:
        workloads.spinning(2)
        pusher.push()
        parents = sent.total("python_gil_wait_seconds")

        def has_its_own():
            del sent[:]
            pusher.push()
            return 0 <= sent.total("python_gil_wait_seconds") < parents

        assert holds_in_a_child(has_its_own)


@pytest.mark.parametrize("options", [{"interval": 5}, {"interval": "0s"}, {"interval": "often"}, {"color": "red"}])
def test_a_wrong_option_is_refused(sent, options):
    with pytest.raises(gilprof.OptionError):
        Pusher(sent, **options)
    with pytest.raises(gilprof.OptionError, match="send: 7 is not allowed: a function"):
        Pusher(7)


def test_a_program_that_does_not_close_it_ends_as_it_would(python):
    done = python("""
import gilprof.statsd, threading
sent = threading.Semaphore(0)
pusher = gilprof.statsd.Pusher(lambda *_: sent.release(), interval="1ms")
for _ in range(100):
    sent.acquire()
""")
    assert (done.stdout, done.stderr) == ("", "")

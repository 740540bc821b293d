import sys
from pathlib import Path

SCENARIOS = Path(__file__).resolve().parent / "scenarios"
sys.path.insert(0, str(SCENARIOS))

from table import SCENARIOS as TABLE  # noqa: E402


def test_each_scenario_has_a_name_of_its_own():
    names = [scenario.name for scenario in TABLE]
    assert sorted(set(names)) == sorted(names)


def test_each_program_is_in_a_scenario():
    run = {word for scenario in TABLE for word in scenario.run if word.endswith(".py")}
    # What servers load, clients of theirs, and the other side of a connection.
    parts = {"recorded.py", "wsgiapp.py", "asgiapp.py", "two_tabs.py", "slow_server.py"}
    assert {path.name for path in (SCENARIOS / "programs").glob("*.py")} == run | parts


def test_no_scenario_forbids_what_it_demands():
    for scenario in TABLE:
        assert not (scenario.first | scenario.also) & scenario.never, scenario.name
        assert scenario.first, scenario.name


def test_programs_listen_on_this_machine_only():
    for path in SCENARIOS.rglob("*.py"):
        assert "0.0.0.0" not in path.read_text(), path


def test_without_the_runner_a_server_records_nothing(run, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SCENARIOS / "programs"))
    monkeypatch.delenv("SCENARIO_RECORDINGS", raising=False)
    code = "import recorded, sys; recorded.look(); assert 'gilprof' not in sys.modules"
    ended = run("-c", code)
    assert ended.returncode == 0, ended.stderr

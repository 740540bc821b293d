"""The stubs are what is there."""

import subprocess
import sys

import pytest

pytest.importorskip("mypy")

PROGRAM = """
import gilprof

with gilprof.profile(threads=64, clock="monotonic") as p:
    with gilprof.measure("work") as m:
        sum(range(1000))
    early: gilprof.Profile = p.snapshot()
if m.process is not None and m.waiting_ns is not None:
    share: float = m.waiting_ns / m.process.waiting_ns
for row in p.result.blame:
    line: str = f"{row.waiter.name} waited {row.waiting_ns} for {row.holder.name}"
rows = p.result.query().threads("worker-*").state("waiting").by("holder").top(3).rows()
totals: list[int] = [row.total_ns for row in rows]
window: gilprof.Profile = p.result - early
merged: gilprof.Profile = gilprof.merge(window, gilprof.load("a.json"))
sentence: str = merged.verdict.sentence
costs: list[int] = [finding.cost_ns for finding in merged.findings]
for site in merged.sites(kind="hold"):
    modules: list[str] = [f"{site.thread.name} {frame.module}" for frame in site.stack]
    c_functions: list[str] = [frame.function for frame in site.native if frame.native]
for blocked in merged.blocked:
    kind: str = f"{blocked.call} on {blocked.on or merged.blocked_missing}"
with gilprof.attach(4242, sample=True, interval="5ms") as looking:
    looks: int = 0 if merged.samples is None else merged.samples.count
with gilprof.attach(looking.pid, threads=64, clock="monotonic"):
    pass
with gilprof.watch(hold="1s", log="/dev/null", callback=print):
    pass
with gilprof.serve_metrics("127.0.0.1:0", threads=64) as exporter:
    url: str = f"http://{exporter.address}/metrics"
for metric in merged.metrics():
    for point in metric.points:
        labelled: dict[str, str] = dict(point.labels)
        shown: str = f"{metric.name} {labelled} {point.value or point.sum} {point.buckets}"
with gilprof.span("load") as span:
    inner: str = span.label


@gilprof.span("GET /x")
async def handler(number: int) -> str:
    return str(number)


for label in merged.spans:
    told: str = f"{label.label}: {label.spans} times, {label.caused_ns} ns"
missing: bool = merged.stacks_missing is not None and merged.stacks_lost == 0
"""


def check(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=str(cwd),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert done.returncode == 0, done.stdout


def test_a_typed_program_passes_strict_mypy(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    check("mypy", "--strict", "program.py", cwd=tmp_path)


def test_the_package_passes_strict_mypy(tmp_path):
    check("mypy", "--strict", "-p", "gilprof", cwd=tmp_path)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="its last mypy looks under TYPE_CHECKING")
def test_the_stubs_are_what_the_compiled_part_has(tmp_path):
    check("mypy.stubtest", "gilprof", cwd=tmp_path)

"""Virtual environments under .venvs/, made with what PyPI has.

Nothing is taken for granted but a Python with pip: Debian's Python comes
without venv, so virtualenv makes the environments, and the Rust tools that
are Python packages (maturin) live in an environment of their own.
"""
import os
import subprocess
import sys
from pathlib import Path

from find_pythons import ROOT, find_pythons

VENVS = ROOT / ".venvs"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
WHEELS = ROOT / "target" / "wheels"
# mypy checks that the stubs are what is there; pyarrow and polars, each with a reader
# of its own, read the Arrow tables. gilprof's plugin of pytest gets along with the others.
TEST_PACKAGES = ["pytest>=8", "mypy>=1.11", "pyarrow>=15", "polars>=1.3"]
TEST_PACKAGES += ["pytest-asyncio>=0.23", "pytest-rerunfailures>=14"]
TEST_PACKAGES += ["pytest-timeout>=2.3", "pytest-xdist>=3.5"]
# Who reads gilprof's metrics, and who has many processes with them.
TEST_PACKAGES += ["prometheus-client>=0.20", "opentelemetry-sdk>=1.20", "gunicorn>=21"]
BUILD_PACKAGES = ["maturin>=1.8,<2"]


def run(command, **options):
    """Runs a command in the repository; its failure ends the caller too."""
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, **options)


def virtualenv():
    """The command that makes virtual environments."""
    python = next((one for one in [sys.executable, *paths()] if has_pip(one)), None)
    if python is None:
        sys.exit("no Python with pip was found: install pip for one of them")
    # What virtualenv depends on differs from Python to Python.
    folder = VENVS / "bootstrap" / python.strip("/").replace("/", "-")
    if not (folder / "virtualenv").exists():
        run([python, "-m", "pip", "install", "--target", folder, "virtualenv"], env=quiet())
    start = "from virtualenv.run import cli_run; cli_run(sys.argv[1:])"
    return [python, "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {start}"]


def paths():
    return [found.path for found in find_pythons()]


def quiet():
    """The environment for pip: only what went wrong is printed."""
    return {
        **os.environ,
        "PIP_QUIET": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def has_pip(python):
    asked = subprocess.run(
        [python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return asked.returncode == 0


def make(name, python, packages):
    """The python of the environment `name`, made when it is not there yet."""
    folder = VENVS / name
    inside = folder / "bin" / "python"
    if not inside.exists():
        run([*virtualenv(), "--quiet", "--python", python, folder])
    if packages:
        run([inside, "-m", "pip", "install", *packages], env=quiet())
    return inside


def tools():
    """The python of the environment with the build tools."""
    return make("tools", sys.executable, BUILD_PACKAGES)


def wheel():
    """Builds the wheel, optimized; one for all supported Pythons."""
    maturin = tools().parent / "maturin"
    for old in WHEELS.glob("*.whl"):
        old.unlink()
    manifest = ROOT / "python-bindings" / "Cargo.toml"
    build = [maturin, "build", "--release", "--locked", "--manifest-path", manifest]
    run([*build, "--out", WHEELS, "--interpreter", sys.executable])
    return built_wheel()


def built_wheel():
    """The wheel that is there."""
    found = list(WHEELS.glob("*.whl"))
    if len(found) != 1:
        sys.exit(f"one wheel is expected in {WHEELS}, {len(found)} found: run make wheel")
    return found[0]


def with_wheel(name, python, packages, built):
    """The python of an environment with exactly this wheel installed."""
    inside = make(name, python, packages)
    run([inside, "-m", "pip", "install", "--force-reinstall", "--no-deps", built], env=quiet())
    return inside


if __name__ == "__main__":
    print(wheel())

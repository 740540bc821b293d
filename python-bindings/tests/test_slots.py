"""The relocation slots of the interpreter, as readelf and the kernel show them."""

import re
import shutil
import struct
import subprocess

import gilprof
import pytest

pytestmark = pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf")


def modules():
    """Where the first page of each mapped file is."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split()
            if len(fields) == 6 and fields[2] == "00000000":
                yield fields[5], int(fields[0].split("-")[0], 16)


def readelf(flag, path):
    done = subprocess.run(["readelf", flag, path], stdout=subprocess.PIPE, universal_newlines=True)
    return done.stdout


def slots():
    """The addresses of the interpreter's slots for condition variables, by name."""
    found = dict(modules())
    shared = [path for path in found if re.search(r"/libpython3\.\d+\.so", path)]
    (path,) = shared[:1] or [path for path in found if re.search(r"/python3\.\d+$", path)][:1]
    base = 0 if "EXEC" in readelf("-hW", path) else found[path]
    lines = [line.split() for line in readelf("-rW", path).splitlines() if "pthread_cond_" in line]
    return {fields[4].split("@")[0]: base + int(fields[0], 16) for fields in lines}


def contents(addresses):
    with open("/proc/self/mem", "rb") as memory:
        for address in addresses.values():
            memory.seek(address)
            yield struct.unpack("Q", memory.read(8))[0]


def protections(addresses):
    with open("/proc/self/maps") as maps:
        ranges = [(line.split()[0].split("-"), line.split()[1]) for line in maps]
    for address in addresses.values():
        (rights,) = [r for (low, high), r in ranges if int(low, 16) <= address < int(high, 16)]
        yield rights


def test_four_slots_change_and_are_as_they_were_after_stop():
    addresses = slots()
    before = list(contents(addresses)), list(protections(addresses))
    with gilprof.profile():
        during = list(contents(addresses)), list(protections(addresses))
    after = list(contents(addresses)), list(protections(addresses))
    changed = {name for name, a, b in zip(addresses, before[0], during[0]) if a != b}
    hooked = ("signal", "timedwait", "wait", "init")
    assert changed == {f"pthread_cond_{name}" for name in hooked}
    assert during[1] == before[1]
    assert after == before

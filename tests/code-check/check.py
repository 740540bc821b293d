"""Compares what gilprof reads of code objects with what this Python says.

    python check.py libgilprof_code_check.so

Every code object of the modules imported here, its names and the line of each
instruction: in this process, and from a child in which the same is at the same
addresses. And what is no code object must be refused.
"""
import ctypes
import gc
import os
import sys
import time
import types

# Programs of all sorts, large ones among them.
import argparse, ast, asyncio, concurrent.futures, dataclasses, decimal, difflib  # noqa: E401, F401
import email.message, http.client, inspect, json, logging, multiprocessing.pool  # noqa: E401, F401
import pickle, re, sqlite3, statistics, subprocess, tarfile, tempfile, threading  # noqa: E401, F401
import typing, unittest.mock, urllib.request, xml.dom.minidom  # noqa: E401, F401

WORDS = 18
# Which of them says where a code object's instructions begin.
INSTRUCTIONS = 9
TEXT = ctypes.create_string_buffer(100_000)
LINES = (ctypes.c_uint32 * 100_000)()

ODD_NAMES = """
def größe(): return 1
def 数える(): return 1
def 𠮷(): return (
    1)
"""
ODD_FILES = ["plain.py", "größe.py", "数える.py", "\U0001f40d.py", "half \udc80.py", "x" * 4096]


def interpreter():
    """CPython's own answer, in all versions."""
    function = ctypes.pythonapi.PyCode_Addr2Line
    function.argtypes = [ctypes.py_object, ctypes.c_int]
    return function


line_of = interpreter()


class Reader:
    """The library under test, with the layout that it found."""

    def __init__(self, path):
        self.library = ctypes.PyDLL(path)
        self.library.layout.restype = ctypes.c_bool
        self.library.layout.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        self.library.read.restype = ctypes.c_int64
        self.library.read.argtypes = [
            ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p,
            ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
        ]  # fmt: skip
        self.words = (ctypes.c_uint64 * WORDS)()
        begin = time.perf_counter()
        found = self.library.layout(self.words, TEXT, len(TEXT))
        self.found_ms = (time.perf_counter() - begin) * 1e3
        if not found:
            sys.exit(f"no layout: {TEXT.value.decode()}")

    def read(self, pid, address, count):
        """First line, file, function and lines; or None."""
        first = self.library.read(pid, self.words, address, LINES, count, TEXT, len(TEXT))
        if first < 0:
            return None
        file, function = TEXT.value.decode().split("\n")
        return first, file, function, LINES[:count]


def said(code):
    """The same, as this Python says it."""
    count = len(code.co_code) // 2
    lines = [max(line_of(code, 2 * index), 0) for index in range(count)]
    if hasattr(code, "co_lines"):
        assert lines == by_ranges(code, count), code
    function = getattr(code, "co_qualname", code.co_name)
    return code.co_firstlineno, printable(code.co_filename), printable(function), lines


def printable(text):
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def by_ranges(code, count):
    """What the language promises from 3.10 on (PEP 626)."""
    lines = [0] * count
    for begin, end, line in code.co_lines():
        lines[begin // 2 : end // 2] = [line or 0] * (end // 2 - begin // 2)
    return lines


def code_objects():
    """All that there are: those of live functions, and those among constants."""
    waiting = [found.__code__ for found in gc.get_objects() if type(found) is types.FunctionType]
    waiting += [compile(ODD_NAMES, file, "exec") for file in ODD_FILES]
    known = {}
    while waiting:
        code = waiting.pop()
        if id(code) not in known:
            known[id(code)] = code
            waiting += [one for one in code.co_consts if type(one) is types.CodeType]
    return list(known.values())


def compare(reader, pid, expected):
    """How many instructions were compared; ends the program at a difference."""
    for code, answer in expected:
        read = reader.read(pid, id(code), len(answer[3]))
        if read != answer:
            sys.exit(f"{code}\nread: {read or TEXT.value.decode()}\nsaid: {answer}")
    return sum(len(answer[3]) for _, answer in expected)


def compare_begins(reader, expected):
    """From 3.11 on, where the instructions are; those of this file are running."""
    begin = reader.words[INSTRUCTIONS]
    if begin == 0:
        assert sys.version_info < (3, 11), reader.words
        return
    for code, (_, _, _, lines) in expected:
        there = ctypes.string_at(id(code) + begin, 2 * len(lines))
        if code.co_filename != __file__ and there != code._co_code_adaptive:
            sys.exit(f"the instructions of {code} do not begin after {begin} bytes")


def compare_from_outside(reader, expected):
    """The same of a child; 0 where it may not be read."""
    waits, ends = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ends)
        os.read(waits, 1)
        os._exit(0)
    os.close(waits)
    try:
        answer = expected[0]
        if reader.read(child, id(answer[0]), 0) is None and "cannot read" in TEXT.value.decode():
            return 0
        return compare(reader, child, expected)
    finally:
        os.close(ends)
        os.waitpid(child, 0)


def refuse(reader):
    """How many things that are no code objects were refused."""
    others = [found for found in gc.get_objects() if type(found) is not types.CodeType]
    addresses = [id(found) for found in others]
    addresses += [0, 1, 8, 1 << 47, (1 << 64) - 8, (1 << 64) - 1]
    addresses += [id(compare.__code__) + step for step in range(1, types.CodeType.__basicsize__)]
    for address in addresses:
        if reader.read(os.getpid(), address, 0) is not None:
            sys.exit(f"{address:#x} is no code object, but was read: {TEXT.value.decode()}")
    return len(addresses)


def main(library):
    reader = Reader(library)
    expected = [(code, said(code)) for code in code_objects()]
    inside = compare(reader, os.getpid(), expected)
    compare_begins(reader, expected)
    outside = compare_from_outside(reader, expected)
    refused = refuse(reader)
    print(
        f"layout found and proved in {reader.found_ms:.1f} ms; {len(expected):,} code objects: "
        f"{inside:,} instructions agree from inside, {outside:,} from outside; "
        f"{refused:,} other things refused"
    )


main(*sys.argv[1:])

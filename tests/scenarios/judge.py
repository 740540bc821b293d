"""Compares profiles with what is true of a scenario."""

from typing import NamedTuple

import gilprof


class Seen(NamedTuple):
    """What one run showed."""

    found: tuple
    """The ids of the findings of each process, joined, first ones first."""
    sentence: str
    held: float
    waiting: float
    wrong: tuple
    """What is not as it must be; empty if all is right."""


def findings(profile, scenario=None):
    """All findings, those that cost most first; the verdict where there are none.

    That something else keeps the machine busy may be true at any time: unless the
    scenario asks for it, cpu-starved is left aside.
    """
    aside = scenario is not None and "cpu-starved" not in scenario.first
    told = [one for one in profile.findings if not (aside and one.id == "cpu-starved")]
    return told or [profile.verdict]


def busiest(profile):
    """The GIL that was wanted most."""
    return max(profile.gils, key=lambda gil: gil.holding_ns + gil.waiting_ns)


def shares(profile):
    """Of the time of the busiest GIL: held, and threads that wait on average."""
    gil = busiest(profile)
    wall = gil.holding_ns + gil.free_ns
    return gil.holding_ns / wall, gil.waiting_ns / wall


def judge(scenario, files):
    """What was seen in one run, and what is wrong with it."""
    each = [judge_one(scenario, gilprof.load(file)) for file in files]
    if len(each) == 1 or scenario.uneven:
        return max(each, key=lambda seen: seen.held + seen.waiting)
    found = tuple(dict.fromkeys(one for seen in each for one in seen.found))
    wrong = [word for seen in each for word in seen.wrong]
    merged = gilprof.merge(*map(gilprof.load, files))
    together = {one.id for one in merged.findings} & scenario.never
    wrong += [f"merged: {one}" for one in sorted(together)]
    held = sum(seen.held for seen in each) / len(each)
    waiting = sum(seen.waiting for seen in each) / len(each)
    return Seen(found, each[0].sentence, held, waiting, tuple(wrong))


def judge_one(scenario, profile):
    found = findings(profile, scenario)
    ids = [one.id for one in found]
    held, waiting = shares(profile)
    wrong = [
        *outside("held", held, scenario.held),
        *outside("waiting", waiting, scenario.waiting),
        *profile.imbalances(),
    ]
    if ids[0] not in scenario.first:
        wrong.append(f"first is {ids[0]}, not {' or '.join(sorted(scenario.first))}")
    wrong += [f"{one} is missing" for one in sorted(scenario.also - set(ids))]
    wrong += [f"{one} is not true" for one in sorted(scenario.never & set(ids))]
    said = " ".join(part for one in found[:1] for part in texts(one))
    if scenario.says and not any(word in said for word in scenario.says):
        wrong.append(f"no word of {' or '.join(scenario.says)}")
    return Seen(tuple(ids), found[0].sentence, held, waiting, tuple(wrong))


def texts(finding):
    """All that a finding says."""
    return [finding.sentence, *(row.value for row in finding.evidence), finding.advice or ""]


def outside(what, value, limits):
    least, most = limits
    return [] if least <= value <= most else [f"{what} {value:.2f}, not {least} to {most}"]

"""All the numbers of profiles that rules of a verdict may rest on.  facts.py FILE..."""

import sys

import gilprof
from judge import busiest, findings

PARTS = (
    "holding_cpu_ns",
    "holding_preempted_ns",
    "holding_blocked_ns",
    "detached_ns",
    "detached_cpu_ns",
)


def facts(profile):
    """Lines of text; all times are parts of the busiest GIL's time."""
    gil = busiest(profile)
    wall = gil.holding_ns + gil.free_ns
    rate = gil.acquisitions / wall * 1e9
    yield f"{' '.join(one.id for one in findings(profile))}: {profile.verdict.sentence}"
    yield (
        f"  wall {wall / 1e9:.2f} s, {len(profile.gils)} GILs, held {gil.holding_ns / wall:.3f}, "
        f"waiting {gil.waiting_ns / wall:.3f}, hand-off {gil.handoff_ns / wall:.3f}, "
        f"taken {rate:.0f}/s, drop requests {gil.drop_requests}, switches {gil.switches}, "
        f"most waiters {gil.waiters_max}"
    )
    yield f"  hold {spread(gil.hold)}; wait {spread(gil.wait)}; hand-off {spread(gil.handoff)}"
    yield "  " + ", ".join(f"{part[:-3]} {share(total(profile, part), wall)}" for part in PARTS)
    for thread in sorted(profile.threads, key=lambda one: -one.holding_ns - one.waiting_ns)[:7]:
        parts = {
            "holding": thread.holding_ns,
            "waiting": thread.waiting_ns,
            "caused": thread.caused_ns,
        }
        parts.update({part[:-3]: getattr(thread, part) for part in PARTS})
        shares = ", ".join(f"{name} {share(value, wall)}" for name, value in parts.items())
        yield (
            f"  {thread.name!r} x{thread.members} gil {thread.gil} {shares}, "
            f"taken {thread.acquisitions}, waits {thread.waits}, "
            f"hold {spread(thread.hold)}, wait {spread(thread.wait)}, "
            f"switches {thread.voluntary_switches} vol {thread.involuntary_switches} invol"
        )
    for kind in ("blame", "hold", "detached", "wait"):
        yield f"  {kind}: {', '.join(top(profile, kind)) or profile.stacks_missing}"


def total(profile, part):
    known = [
        value for value in (getattr(one, part) for one in profile.threads) if value is not None
    ]
    return sum(known) if known else None


def share(value, wall):
    return "n/a" if value is None else f"{value / wall:.3f}"


def spread(distribution):
    """p50 / p99 / max in milliseconds."""
    points = (distribution.quantile(0.5), distribution.quantile(0.99), distribution.max_ns)
    return "/".join("-" if one is None else f"{one / 1e6:.2f}" for one in points) + " ms"


def top(profile, kind):
    """The places that count most, with their caller."""
    weights = {}
    for site in profile.sites(kind):
        names = [
            f"{one.function}@{one.file.rpartition('/')[2]}:{one.line}" for one in site.stack[:2]
        ]
        key = " < ".join(names) or "?"
        weights[key] = weights.get(key, 0) + site.weight_ns
    whole = sum(weights.values()) or 1
    most = sorted(weights.items(), key=lambda item: -item[1])[:4]
    return [f"{weight / whole:.0%} {key}" for key, weight in most]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name)
        print("\n".join(facts(gilprof.load(name))))

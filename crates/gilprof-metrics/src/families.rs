//! What there is to tell of a profile, and under which names.

use gilprof_core::{Gil, Profile, State};

use crate::family::{Family, Kind, Value};
use crate::histogram::Histogram;

/// A metric that each GIL has.
struct OfGil {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    value: fn(&Gil) -> Value,
    /// Whether it is known only where events were counted.
    counted: bool,
}

const OF_GILS: [OfGil; 8] = [
    OfGil {
        name: "python_gil_wait_seconds",
        kind: Kind::Counter,
        help: "Time that threads waited for the GIL, summed over the threads.",
        value: |gil| Value::from_ns(gil.waiting_ns),
        counted: false,
    },
    OfGil {
        name: "python_gil_hold_seconds",
        kind: Kind::Counter,
        help: "Time that a thread held the GIL.",
        value: |gil| Value::from_ns(gil.holding_ns),
        counted: false,
    },
    OfGil {
        name: "python_gil_waits",
        kind: Kind::Counter,
        help: "How often a thread waited for the GIL.",
        value: |gil| Value::Count(gil.wait.count()),
        counted: true,
    },
    OfGil {
        name: "python_gil_acquisitions",
        kind: Kind::Counter,
        help: "How often a thread got the GIL.",
        value: |gil| Value::Count(gil.acquisitions),
        counted: true,
    },
    OfGil {
        name: "python_gil_drop_requests",
        kind: Kind::Counter,
        help: "How often a waiter asked the holder to let go.",
        value: |gil| Value::Count(gil.drop_requests),
        counted: true,
    },
    OfGil {
        name: "python_gil_switches",
        kind: Kind::Counter,
        help: "How often another thread got the GIL than had it last.",
        value: |gil| Value::Count(gil.switches),
        counted: false,
    },
    OfGil {
        name: "python_gil_wait_duration_seconds",
        kind: Kind::Histogram,
        help: "How long threads waited for the GIL.",
        value: |gil| Value::Histogram(Histogram::from(&gil.wait)),
        counted: true,
    },
    OfGil {
        name: "python_gil_hold_duration_seconds",
        kind: Kind::Histogram,
        help: "How long the GIL was held at a time.",
        value: |gil| Value::Histogram(Histogram::from(&gil.hold)),
        counted: true,
    },
];

/// The metrics of a profile. What is not known of it is left out: of one that is sampled all
/// that would need events to be counted, and its cost where that is not known.
///
/// The points of GILs are labelled with their `interpreter`. Where several processes were
/// merged, those of one label are their sum.
pub fn families(profile: &Profile) -> Vec<Family> {
    let counts = profile.mode().counts();
    let known = OF_GILS.iter().filter(|one| counts || !one.counted);
    known
        .map(|one| of_gils(one, profile.gils()))
        .chain(of_process(profile))
        .collect()
}

fn of_gils(one: &OfGil, gils: &[Gil]) -> Family {
    let none = Family::new(one.name, one.kind, one.help);
    gils.iter().fold(none, |family, gil| {
        family.with(vec![("interpreter", interpreter(gil))], (one.value)(gil))
    })
}

/// The number of its interpreter; where that is not known, its own.
fn interpreter(gil: &Gil) -> String {
    let number = gil.interpreter_id.unwrap_or(gil.index.into());
    number.to_string()
}

fn of_process(profile: &Profile) -> impl Iterator<Item = Family> {
    let alone = |name, kind, help, value| Family::new(name, kind, help).with(Vec::new(), value);
    let waiting = profile.threads().iter();
    let waiting = waiting.filter(|thread| thread.state == State::Waiting);
    let overhead = profile.overhead_ns().map(|ns| {
        alone(
            "gilprof_overhead_seconds",
            Kind::Counter,
            "CPU time that recording took, as estimated.",
            Value::from_ns(ns),
        )
    });
    [
        alone(
            "python_gil_waiting_threads",
            Kind::Gauge,
            "How many threads wait for a GIL now.",
            Value::Count(waiting.count() as u64),
        ),
        alone(
            "python_gil_enabled",
            Kind::Gauge,
            "Whether this Python runs with a GIL.",
            Value::Count(u64::from(!profile.is_without_gil())),
        ),
        alone(
            "python_gil_switch_interval_seconds",
            Kind::Gauge,
            "After how long a waiter asks the holder to let go.",
            Value::from_ns(profile.switch_interval_ns()),
        ),
        alone(
            "gilprof_events_dropped",
            Kind::Counter,
            "Events that were lost: sums stay exact, who waited for whom does not.",
            Value::Count(profile.dropped()),
        ),
    ]
    .into_iter()
    .chain(overhead)
}

#[cfg(test)]
mod tests {
    use gilprof_core::{Distribution, Mode, ProfileParts, Thread};

    use super::*;

    fn gil(index: u32, interpreter_id: Option<i64>, waiting_ns: u64) -> Gil {
        let mut wait = Distribution::empty();
        wait.record(waiting_ns);
        Gil {
            index,
            interpreter_id,
            waiting_ns,
            wait,
            ..Gil::default()
        }
    }

    fn profile(gils: Vec<Gil>) -> ProfileParts {
        ProfileParts {
            gils,
            ..ProfileParts::default()
        }
    }

    fn family(parts: ProfileParts, name: &str) -> Option<Family> {
        let all = families(&Profile::assemble(parts));
        all.into_iter().find(|one| one.name == name)
    }

    #[test]
    fn each_gil_has_a_point_with_its_interpreter() {
        let gils = vec![gil(0, Some(0), 2_000_000_000), gil(1, None, 500_000_000)];
        let waits = family(profile(gils), "python_gil_wait_seconds").unwrap();
        let label = |number: &str| vec![("interpreter", String::from(number))];
        assert_eq!(waits.unit, Some("seconds"));
        assert_eq!(waits.kind, Kind::Counter);
        assert_eq!(waits.points[0].labels, label("0"));
        assert_eq!(waits.points[0].value, Value::Seconds(2.0));
        assert_eq!(waits.points[1].labels, label("1"));
        assert_eq!(waits.points[1].value, Value::Seconds(0.5));
    }

    #[test]
    fn gils_of_several_processes_are_summed() {
        let gils = vec![gil(0, Some(0), 1_000_000_000), gil(1, Some(0), 250_000_000)];
        let seconds = family(profile(gils.clone()), "python_gil_wait_seconds").unwrap();
        assert_eq!(seconds.points.len(), 1);
        assert_eq!(seconds.points[0].value, Value::Seconds(1.25));
        let durations = family(profile(gils), "python_gil_wait_duration_seconds").unwrap();
        let Value::Histogram(histogram) = &durations.points[0].value else {
            panic!("{durations:?}");
        };
        assert_eq!((histogram.count(), histogram.sum_seconds()), (2, 1.25));
    }

    #[test]
    fn a_sampled_profile_has_no_metric_of_what_it_did_not_count() {
        let sampled = ProfileParts {
            mode: Mode::Sampled,
            ..profile(vec![gil(0, Some(0), 1)])
        };
        for unknown in ["waits", "acquisitions", "wait_duration_seconds"] {
            let name = format!("python_gil_{unknown}");
            assert_eq!(family(sampled.clone(), &name), None, "{name}");
        }
        assert!(family(sampled, "python_gil_hold_seconds").is_some());
    }

    #[test]
    fn what_is_not_known_to_cost_has_no_cost() {
        let unknown = profile(Vec::new());
        assert_eq!(family(unknown.clone(), "gilprof_overhead_seconds"), None);
        let known = ProfileParts {
            overhead_ns: Some(2_000_000),
            ..unknown
        };
        let cost = family(known, "gilprof_overhead_seconds").unwrap();
        assert_eq!(cost.points[0].value, Value::Seconds(0.002));
    }

    #[test]
    fn threads_that_wait_now_are_counted() {
        let thread = |state| Thread {
            state,
            ..Thread::default()
        };
        let parts = ProfileParts {
            threads: vec![
                thread(State::Waiting),
                thread(State::Holding),
                thread(State::Waiting),
            ],
            ..ProfileParts::default()
        };
        let waiting = family(parts, "python_gil_waiting_threads").unwrap();
        assert_eq!(waiting.points[0].value, Value::Count(2));
    }

    #[test]
    fn a_gil_is_off_where_all_of_them_are() {
        let with = |enabled| Gil {
            enabled,
            ..Gil::default()
        };
        let enabled = |gils| family(profile(gils), "python_gil_enabled").unwrap().points;
        let one = |gils| enabled(gils)[0].value.clone();
        assert_eq!(one(vec![with(None)]), Value::Count(1));
        assert_eq!(one(vec![with(Some(true))]), Value::Count(1));
        assert_eq!(one(vec![with(Some(false))]), Value::Count(0));
    }

    #[test]
    fn names_are_unique_and_end_with_their_unit() {
        let all = families(&Profile::assemble(profile(Vec::new())));
        let mut names: Vec<&str> = all.iter().map(|one| one.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
        for one in &all {
            assert!(
                one.unit.is_none_or(|unit| one.name.ends_with(unit)),
                "{one:?}"
            );
            assert!(
                one.help.ends_with('.') && !one.name.ends_with("_total"),
                "{one:?}"
            );
        }
    }
}

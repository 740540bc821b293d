use super::*;
use crate::blame::Blame;
use crate::history::{History, Slice, SliceThread};
use crate::profile::ProfileParts;

fn durations(values: &[u64]) -> crate::Distribution {
    let mut durations = crate::Distribution::empty();
    values.iter().for_each(|&value| durations.record(value));
    durations
}

fn thread(id: u64, name: &str, waits: &[u64]) -> Thread {
    Thread {
        id,
        name: name.into(),
        waiting_ns: waits.iter().sum(),
        holding_ns: 5,
        wait: durations(waits),
        hold: durations(&[5]),
        ..Thread::default()
    }
}

fn slice(waiting_ns: u64) -> Slice {
    Slice {
        threads: vec![SliceThread {
            thread: 1,
            waiting_ns,
            ..SliceThread::default()
        }],
        blame: vec![],
    }
}

fn profile() -> Profile {
    Profile::assemble(ProfileParts {
        start_ns: 1_000,
        wall_ns: 30,
        threads: vec![
            thread(1, "worker-1", &[100, 200]),
            thread(2, "worker-2", &[50]),
            thread(3, "main", &[]),
        ],
        gils: vec![crate::Gil::default()],
        blame: vec![
            Blame {
                waiter: 1,
                holder: 3,
                gil: 0,
                waiting_ns: 250,
                waits: 2,
                longest_ns: 200,
            },
            Blame {
                waiter: 2,
                holder: 3,
                gil: 0,
                waiting_ns: 40,
                waits: 1,
                longest_ns: 40,
            },
            Blame {
                waiter: 1,
                holder: 2,
                gil: 0,
                waiting_ns: 10,
                waits: 1,
                longest_ns: 10,
            },
        ],
        history: History {
            start_ns: 1_000,
            width_ns: 10,
            slices: vec![slice(1), slice(2), slice(4)],
        },
        ..ProfileParts::default()
    })
}

fn totals(rows: &Rows) -> Vec<(&str, u64)> {
    let rows = rows.rows.iter();
    rows.map(|row| (row.key.as_str(), row.total_ns)).collect()
}

#[test]
fn rows_come_by_descending_total() {
    let rows = profile().query().rows().unwrap();
    assert_eq!(totals(&rows), [("worker-1", 300), ("worker-2", 50)]);
    assert_eq!(rows.rows[0].count, Some(2));
    assert_eq!(rows.rows[0].max_ns, Some(200));
}

#[test]
fn a_pattern_chooses_the_waiters_and_not_the_holders() {
    let profile = profile();
    let query = profile.query().threads("worker-*").by(By::Holder);
    assert_eq!(
        totals(&query.rows().unwrap()),
        [("main", 290), ("worker-2", 10)]
    );
    let one = profile
        .query()
        .threads("*-2")
        .by(By::Holder)
        .rows()
        .unwrap();
    assert_eq!(totals(&one), [("main", 40)]);
    assert_eq!(one.rows[0].p50_ns, None);
}

#[test]
fn top_keeps_the_largest() {
    let rows = profile().query().top(1).rows().unwrap();
    assert_eq!(totals(&rows), [("worker-1", 300)]);
}

#[test]
fn by_gil_and_by_state_add_the_threads_up() {
    let profile = profile();
    let gil = profile.query().by(By::Gil).rows().unwrap();
    assert_eq!(totals(&gil), [("GIL 0", 350)]);
    assert_eq!(gil.rows[0].count, Some(3));
    let states = profile.query().by(By::State).rows().unwrap();
    assert_eq!(totals(&states), [("waiting", 350), ("holding", 15)]);
}

#[test]
fn a_part_of_the_time_is_rounded_outward_to_slices_and_says_so() {
    let rows = profile().query().between(12, 15).rows().unwrap();
    assert_eq!((rows.from_ns, rows.to_ns), (10, 20));
    assert_eq!(totals(&rows), [("worker-1", 2)]);
    let all = profile().query().between(0, 1_000_000).rows().unwrap();
    assert_eq!((all.from_ns, all.to_ns), (0, 30));
    assert_eq!(totals(&all), [("worker-1", 7)]);
}

#[test]
fn a_question_without_an_answer_is_an_error_that_says_why() {
    let profile = profile();
    let error = profile.query().state(State::Holding).by(By::Holder).rows();
    assert!(error.unwrap_err().to_string().contains("only waiting"));
    let error = profile.query().between(5, 5).rows();
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("no history between 5 and 5")
    );
    let error = "color".parse::<By>().unwrap_err().to_string();
    assert!(error.contains("thread, holder, gil, state"), "{error}");
}

use super::*;
use crate::profile::{Profile, ProfileParts};
use crate::state::State;
use crate::thread::Thread;

fn frame(function: &str, file: &str, line: u32) -> Frame {
    Frame {
        function: function.into(),
        file: file.into(),
        line,
        ..Frame::default()
    }
}

fn site(kind: SiteKind, thread: u64, stack: &[u32], weight_ns: u64) -> Site {
    Site {
        kind,
        thread,
        stack: stack.into(),
        weight_ns,
        samples: 2,
        ..Site::default()
    }
}

fn parts() -> ProfileParts {
    let thread = |id, name: &str| Thread {
        id,
        name: name.into(),
        gil: id as u32,
        ..Thread::default()
    };
    ProfileParts {
        threads: vec![thread(1, "main"), thread(2, "worker-2")],
        frames: vec![
            frame("crunch", "/srv/app/work.py", 10),
            frame("crunch", "/srv/app/work.py", 11),
            frame("dumps", "/usr/lib/python3.12/json/__init__.py", 231),
        ],
        sites: vec![
            site(SiteKind::Blame, 1, &[0, 2], 40),
            site(SiteKind::Blame, 2, &[0], 5),
            site(SiteKind::Blame, 2, &[1], 7),
            site(SiteKind::Blame, 2, &[2], 20),
            site(SiteKind::Blame, 2, &[], 3),
            site(SiteKind::Wait, 1, &[1], 11),
            site(SiteKind::Wait, 2, &[2], 4),
            site(SiteKind::Hold, 1, &[2], 60),
            site(SiteKind::Detached, 2, &[1], 90),
        ],
        ..ProfileParts::default()
    }
}

fn profile() -> Profile {
    Profile::assemble(parts())
}

fn totals(query: Query<'_>) -> Vec<(String, u64)> {
    let rows = query.rows().unwrap().rows.into_iter();
    rows.map(|row| (row.key, row.total_ns)).collect()
}

fn refusal(query: Query<'_>) -> String {
    query.rows().unwrap_err().to_string()
}

#[test]
fn waiting_is_told_by_the_lines_that_caused_it() {
    let rows = profile().query().by(By::Site).rows().unwrap().rows;
    let keys: Vec<(&str, u64)> = rows
        .iter()
        .map(|row| (row.key.as_str(), row.total_ns))
        .collect();
    assert_eq!(
        keys,
        [
            ("crunch (/srv/app/work.py:10)", 45),
            ("dumps (/usr/lib/python3.12/json/__init__.py:231)", 20),
            ("crunch (/srv/app/work.py:11)", 7),
            ("(unknown)", 3),
        ]
    );
    assert_eq!((rows[0].count, rows[0].id), (Some(4), None));
    assert_eq!((rows[0].mean_ns, rows[0].p50_ns), (None, None));
}

#[test]
fn lines_add_up_to_functions_files_and_modules() {
    let profile = profile();
    let first = |by| totals(profile.query().by(by)).swap_remove(0);
    assert_eq!(
        first(By::Function),
        ("crunch (/srv/app/work.py)".into(), 52)
    );
    assert_eq!(first(By::File), ("/srv/app/work.py".into(), 52));
    assert_eq!(first(By::Module), ("work".into(), 52));
    let modules = totals(profile.query().by(By::Module));
    assert_eq!(modules[1], ("json".into(), 20));
}

#[test]
fn each_state_has_its_own_stacks() {
    let profile = profile();
    let modules = |state| totals(profile.query().state(state).by(By::Module));
    assert_eq!(modules(State::Holding), [("json".into(), 60)]);
    assert_eq!(modules(State::Detached), [("work".into(), 90)]);
    assert_eq!(modules(State::Ended), []);
}

#[test]
fn each_kind_of_stacks_can_be_asked() {
    let profile = profile();
    let modules = |kind| totals(profile.query().kind(kind).by(By::Module));
    assert_eq!(
        modules(SiteKind::Wait),
        [("work".into(), 11), ("json".into(), 4)]
    );
    assert_eq!(modules(SiteKind::Hold), [("json".into(), 60)]);
    let rows = profile.query().kind(SiteKind::Detached).by(By::Site).rows();
    let rows = rows.unwrap();
    assert_eq!(
        (rows.state, rows.kind),
        (State::Detached, Some(SiteKind::Detached))
    );
    assert_eq!(profile.query().rows().unwrap().kind, None);
}

#[test]
fn stacks_can_be_told_by_their_threads() {
    let profile = profile();
    let wait = || profile.query().kind(SiteKind::Wait);
    assert_eq!(
        totals(wait().by(By::Thread)),
        [("main".into(), 11), ("worker-2".into(), 4)]
    );
    assert_eq!(totals(wait().by(By::State)), [("waiting".into(), 15)]);
    assert_eq!(totals(wait().by(By::Gil)).len(), 2);
    let crunch = profile.query().functions("crunch").by(By::Holder);
    assert_eq!(
        totals(crunch),
        [("main".into(), 40), ("worker-2".into(), 12)]
    );
}

#[test]
fn patterns_choose_the_innermost_function_and_its_file() {
    let profile = profile();
    let query = || profile.query().by(By::Module);
    assert_eq!(totals(query().functions("d*")), [("json".into(), 20)]);
    assert_eq!(totals(query().files("/srv/*")), [("work".into(), 52)]);
    assert_eq!(totals(query().files("/srv/*").functions("d*")), []);
    // What is not known fits no pattern.
    let all: u64 = totals(query().files("*")).iter().map(|row| row.1).sum();
    assert_eq!(all, 72);
}

#[test]
fn stacks_of_another_state_or_without_a_holder_are_refused() {
    let profile = profile();
    let hold = profile.query().state(State::Waiting).kind(SiteKind::Hold);
    assert_eq!(
        refusal(hold),
        "waiting by thread cannot be told by hold stacks: they are about holding"
    );
    let wait = profile.query().kind(SiteKind::Wait).by(By::Holder);
    assert!(refusal(wait).contains("ask for kind blame"));
}

#[test]
fn a_pattern_or_a_gil_chooses_the_holders() {
    let profile = profile();
    let by_module = || profile.query().by(By::Module);
    assert_eq!(totals(by_module().threads("main")), [("work".into(), 40)]);
    assert_eq!(totals(by_module().gil(1)), [("work".into(), 40)]);
}

#[test]
fn a_part_of_the_time_has_no_stacks() {
    let profile = profile();
    assert_eq!(
        refusal(profile.query().by(By::Site).between(0, 5)),
        "waiting by site cannot be told between two instants: stacks have no history, \
         ask the difference of two profiles"
    );
}

#[test]
fn without_stacks_the_reason_is_said() {
    let mut parts = parts();
    parts.stacks_missing = Some("n/a (switched off)".into());
    let some = Profile::assemble(parts.clone());
    assert_eq!(totals(some.query().by(By::Site)).len(), 4);
    parts.sites.clear();
    let none = Profile::assemble(parts);
    assert_eq!(
        refusal(none.query().state(State::Holding).by(By::File)),
        "holding by file cannot be told without stacks: n/a (switched off)"
    );
    assert!(none.query().rows().is_ok());
}

use super::*;
use crate::blame::Blame;
use crate::blocked::Blocked;
use crate::frame::Frame;
use crate::gil::Gil;
use crate::hold::Hold;
use crate::site::Site;
use crate::span::SpanRow;
use crate::state::State;
use crate::thread::Thread;

fn frame(function: &str) -> Frame {
    Frame {
        function: function.into(),
        ..Frame::default()
    }
}

fn without_stacks(pid: u32, reason: &str) -> Profile {
    Profile::assemble(ProfileParts {
        frames: Vec::new(),
        sites: Vec::new(),
        blocked: Vec::new(),
        stacks_missing: Some(reason.into()),
        ..profile(pid, 100).into_parts()
    })
}

fn profile(pid: u32, started_at: u64) -> Profile {
    let thread = |id| Thread {
        id,
        pid,
        waiting_ns: 10,
        ..Thread::default()
    };
    let hold = Hold {
        thread: 9,
        start_ns: 1_005,
        waiter_time_ns: pid.into(),
        ..Hold::default()
    };
    Profile::assemble(ProfileParts {
        recording: format!("r{pid}"),
        pid,
        python: "3.12.1".into(),
        started_at,
        start_ns: 1_000,
        wall_ns: 50,
        events: 7,
        threads: vec![thread(5), thread(9)],
        gils: vec![Gil {
            pid,
            ..Gil::default()
        }],
        blame: vec![Blame {
            waiter: 5,
            holder: 9,
            waiting_ns: 10,
            ..Blame::default()
        }],
        holds: vec![hold],
        frames: vec![frame(&format!("own{pid}")), frame("main")],
        sites: vec![Site {
            thread: 9,
            stack: vec![0, 1],
            weight_ns: 10,
            samples: 1,
            ..Site::default()
        }],
        stacks_lost: 3,
        blocked: vec![Blocked {
            thread: 5,
            state: State::Detached,
            call: "futex".into(),
            native: vec![1],
            weight_ns: 10,
            samples: 1,
            ..Blocked::default()
        }],
        ..ProfileParts::default()
    })
}

#[test]
fn rows_get_ids_of_their_own_and_keep_their_process() {
    let merged = Profile::merge(&[profile(1, 100), profile(2, 120)]).unwrap();
    let ids: Vec<(u64, u32, u32)> = merged
        .threads()
        .iter()
        .map(|t| (t.id, t.gil, t.pid))
        .collect();
    assert_eq!(ids, [(1, 0, 1), (2, 0, 1), (3, 1, 2), (4, 1, 2)]);
    let pairs: Vec<(u64, u64, u32)> = merged
        .blame()
        .iter()
        .map(|b| (b.waiter, b.holder, b.gil))
        .collect();
    assert_eq!(pairs, [(1, 2, 0), (3, 4, 1)]);
    let gils: Vec<(u32, u32)> = merged.gils().iter().map(|g| (g.index, g.pid)).collect();
    assert_eq!(gils, [(0, 1), (1, 2)]);
}

#[test]
fn sums_add_and_time_reaches_from_first_to_last() {
    let merged = Profile::merge(&[profile(1, 100), profile(2, 120)]).unwrap();
    assert_eq!((merged.waiting_ns(), merged.events()), (40, 14));
    assert_eq!((merged.started_at(), merged.wall_ns()), (100, 70));
    let holds: Vec<(u64, u64)> = merged
        .holds()
        .iter()
        .map(|h| (h.thread, h.start_ns))
        .collect();
    assert_eq!(holds, [(4, 25), (2, 5)]);
    assert_eq!((merged.pid(), merged.python()), (0, "3.12.1"));
    assert_eq!(merged.notes(), [NO_HISTORY]);
}

#[test]
fn merges_can_be_merged_and_saved() {
    let merged = Profile::merge(&[profile(1, 100), profile(2, 120)]).unwrap();
    let twice = Profile::merge(&[merged.clone(), profile(3, 90)]).unwrap();
    assert_eq!(twice.threads().len(), 6);
    assert_eq!(twice.notes().len(), 1);
    assert_eq!(
        Profile::from_json(&twice.to_json().unwrap()).unwrap(),
        twice
    );
}

#[test]
fn one_profile_stays_what_it_is_and_none_is_an_error() {
    assert_eq!(Profile::merge(&[profile(1, 5)]).unwrap(), profile(1, 5));
    assert!(matches!(Profile::merge(&[]), Err(Error::NothingToMerge)));
}

#[test]
fn sites_keep_their_stacks_and_frames_are_there_once() {
    let merged = Profile::merge(&[profile(1, 100), profile(2, 120)]).unwrap();
    assert_eq!(
        merged.frames(),
        [frame("own1"), frame("main"), frame("own2")]
    );
    let sites: Vec<(u64, &[u32])> = merged
        .sites()
        .iter()
        .map(|site| (site.thread, site.stack.as_slice()))
        .collect();
    assert_eq!(sites, [(2, [0, 1].as_slice()), (4, &[2, 1])]);
    assert_eq!((merged.stacks_lost(), merged.stacks_missing()), (6, None));
    let blocked = merged.blocked().iter();
    let blocked: Vec<(u64, &[u32])> = blocked.map(|row| (row.thread, &row.native[..])).collect();
    assert_eq!(blocked, [(1, [1].as_slice()), (3, &[1])]);
}

#[test]
fn stacks_are_missing_where_none_has_them() {
    let merge = |reasons: [&str; 2]| {
        let [one, other] = reasons;
        let both = [without_stacks(1, one), without_stacks(2, other)];
        Profile::merge(&both).unwrap().into_parts().stacks_missing
    };
    assert_eq!(merge(["n/a (a)", "n/a (a)"]).unwrap(), "n/a (a)");
    assert_eq!(merge(["n/a (b)", "n/a (a)"]).unwrap(), "n/a (a), n/a (b)");
}

#[test]
fn a_note_says_which_profile_lacks_stacks() {
    let merged = Profile::merge(&[profile(1, 100), without_stacks(2, "n/a (a)")]).unwrap();
    assert_eq!(merged.stacks_missing(), None);
    assert_eq!(
        merged.notes(),
        ["stacks of recording r2: n/a (a)", NO_HISTORY]
    );
}

#[test]
fn each_process_has_its_row_and_its_own_profile() {
    let (first, second) = (profile(1, 100), profile(2, 120));
    let merged = Profile::merge(&[first.clone(), second]).unwrap();
    let twice = Profile::merge(&[merged, profile(1, 90)]).unwrap();
    let rows = twice.processes();
    let told: Vec<(u32, u64, &[u32])> = rows
        .iter()
        .map(|row| (row.pid, row.started_at, &row.gils[..]))
        .collect();
    // An id that is used again is another process.
    assert_eq!(
        told,
        [(1, 100, &[0][..]), (2, 120, &[1][..]), (1, 90, &[2][..])]
    );
    let alone = twice.of_process(&rows[0]);
    assert_eq!((alone.pid(), alone.recording()), (1, "r1"));
    assert_eq!(
        (alone.wall_ns(), alone.waiting_ns()),
        (50, first.waiting_ns())
    );
    assert_eq!(alone.sites().len(), first.sites().len());
    assert_eq!(alone.blocked().len(), first.blocked().len());
    assert_eq!((alone.gils().len(), alone.blame().len()), (1, 1));
    assert_eq!(alone.processes()[0].gils, [0]);
}

#[test]
fn a_profile_that_was_not_merged_is_that_of_its_only_process() {
    let one = profile(1, 100);
    let rows = one.processes();
    assert_eq!(
        (rows.len(), rows[0].pid, &rows[0].gils[..]),
        (1, 1, &[0][..])
    );
    assert_eq!(one.of_process(&rows[0]), one);
}

#[test]
fn processes_are_saved_and_subtracted() {
    let merged = |wall_ns| {
        let one = |pid| {
            Profile::assemble(ProfileParts {
                wall_ns,
                ..profile(pid, 100).into_parts()
            })
        };
        Profile::merge(&[one(1), one(2)]).unwrap()
    };
    let (earlier, later) = (merged(50), merged(80));
    let read = Profile::from_json(&later.to_json().unwrap()).unwrap();
    assert_eq!(read.processes(), later.processes());
    let rest = later.difference(&earlier).unwrap().processes();
    let told: Vec<(u64, u64)> = rest
        .iter()
        .map(|row| (row.started_at, row.wall_ns))
        .collect();
    assert_eq!(told, [(150, 30), (150, 30)]);
}

#[test]
fn what_the_host_kept_of_one_machine_is_not_added_up() {
    let of = |pid, stolen_ns| {
        Profile::assemble(ProfileParts {
            stolen_ns,
            ..profile(pid, 100).into_parts()
        })
    };
    let merged = Profile::merge(&[of(1, Some(30)), of(2, None), of(3, Some(40))]).unwrap();
    assert_eq!(merged.stolen_ns(), Some(40));
    let unknown = Profile::merge(&[of(1, None), of(2, None)]).unwrap();
    assert_eq!(unknown.stolen_ns(), None);
}

#[test]
fn spans_of_a_label_are_one_row_and_of_no_single_process() {
    let of = |pid, label: &str| {
        let row = SpanRow {
            label: label.into(),
            spans: 2,
            wall_ns: 30,
            holding_ns: 30,
            ..SpanRow::default()
        };
        Profile::assemble(ProfileParts {
            spans: vec![row],
            ..profile(pid, 100).into_parts()
        })
    };
    let merged = Profile::merge(&[of(1, "load"), of(2, "a"), of(3, "load")]).unwrap();
    let told: Vec<(&str, u64, u64)> = merged
        .spans()
        .iter()
        .map(|row| (row.label.as_str(), row.spans, row.holding_ns))
        .collect();
    assert_eq!(told, [("a", 2, 30), ("load", 4, 60)]);
    let alone = merged.of_process(&merged.processes()[0]);
    assert!(alone.spans().is_empty());
}

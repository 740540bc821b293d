use super::*;
use crate::distribution::Distribution;
use crate::frame::Frame;
use crate::gil::Gil;
use crate::history::{FIRST_SLICE_NS, History, Slice, SliceThread};
use crate::hold::Hold;
use crate::site::Site;
use crate::span::SpanRow;

fn thread(id: u64, name: &str, holding_ns: u64, detached_ns: u64) -> Thread {
    let mut hold = Distribution::empty();
    hold.record(holding_ns);
    Thread {
        id,
        native_id: Some(100 + id as u32),
        name: name.into(),
        members: 1,
        lifetime_ns: holding_ns + detached_ns,
        holding_ns,
        detached_ns,
        acquisitions: 1,
        hold,
        ..Thread::default()
    }
}

fn group(id: u64, name: &str, members: &[&Thread]) -> Thread {
    let mut group = Thread {
        id,
        name: name.into(),
        ended: true,
        members: members.len() as u64,
        ..Thread::default()
    };
    for one in members {
        group.lifetime_ns += one.lifetime_ns;
        group.holding_ns += one.holding_ns;
        group.detached_ns += one.detached_ns;
        group.acquisitions += one.acquisitions;
        group.hold.merge(&one.hold);
    }
    group
}

fn blame(waiter: u64, holder: u64, waiting_ns: u64, waits: u64) -> Blame {
    Blame {
        waiter,
        holder,
        waiting_ns,
        waits,
        longest_ns: waiting_ns,
        gil: 0,
    }
}

fn slice(ns: u64) -> Slice {
    let row = SliceThread {
        thread: 1,
        holding_ns: ns,
        ..SliceThread::default()
    };
    Slice {
        threads: vec![row],
        blame: Vec::new(),
    }
}

fn parts(wall_ns: u64, threads: Vec<Thread>) -> ProfileParts {
    ProfileParts {
        recording: "a".into(),
        start_ns: 1_000,
        wall_ns,
        events: wall_ns,
        threads,
        gils: vec![Gil {
            holding_ns: wall_ns / 2,
            free_ns: wall_ns / 2,
            ..Gil::default()
        }],
        ..ProfileParts::default()
    }
}

fn between(later: ProfileParts, earlier: ProfileParts) -> Profile {
    let (later, earlier) = (Profile::assemble(later), Profile::assemble(earlier));
    later.difference(&earlier).unwrap()
}

#[test]
fn what_was_before_is_taken_away() {
    let earlier = parts(100, vec![thread(1, "main", 60, 40)]);
    let later = parts(
        250,
        vec![thread(1, "main", 160, 90), thread(2, "new", 10, 20)],
    );
    let window = between(later, earlier);
    assert_eq!((window.wall_ns(), window.events()), (150, 150));
    assert_eq!(window.start_ns(), 1_100);
    let main = window.thread(1).unwrap();
    assert_eq!(
        (main.holding_ns, main.detached_ns, main.lifetime_ns),
        (100, 50, 150)
    );
    assert_eq!(window.thread(2).unwrap().lifetime_ns, 30);
    assert_eq!(window.gils()[0].holding_ns, 75);
}

#[test]
fn a_thread_that_was_folded_is_taken_from_its_group() {
    let (first, gone) = (thread(7, "Thread-7", 9, 1), thread(8, "Thread-8", 30, 5));
    let main = thread(1, "main", 50, 50);
    let mut earlier = parts(
        100,
        vec![main.clone(), gone.clone(), group(20, "Thread-*", &[&first])],
    );
    earlier.blame = vec![blame(1, 8, 25, 2), blame(1, 20, 5, 1)];
    let grown = thread(8, "Thread-8", 70, 9);
    let mut later = parts(200, vec![main, group(20, "Thread-*", &[&first, &grown])]);
    later.blame = vec![blame(1, 20, 42, 4)];
    let window = between(later, earlier);
    let group = window.thread(20).unwrap();
    assert_eq!((group.holding_ns, group.lifetime_ns), (40, 44));
    assert_eq!(
        (window.blame()[0].waiting_ns, window.blame()[0].waits),
        (12, 1)
    );
}

#[test]
fn a_thread_whose_name_came_late_is_found_in_the_group_that_has_room() {
    let gone = thread(8, "", 30, 5);
    let earlier = parts(100, vec![gone.clone()]);
    let small = thread(3, "tiny", 1, 1);
    let named = group(20, "Thread-*", &[&gone]);
    let later = parts(200, vec![group(21, "tiny", &[&small]), named]);
    let window = between(later, earlier);
    assert_eq!(window.threads().len(), 1);
    assert_eq!(window.threads()[0].name, "tiny");
}

#[test]
fn groups_of_other_names_are_the_second_choice() {
    let gone = thread(8, "odd-8", 30, 5);
    let earlier = parts(100, vec![gone.clone()]);
    let other = thread(9, "Thread-9", 30, 5);
    let others = group(21, OTHERS, &[&gone]);
    let later = parts(200, vec![group(20, "Thread-*", &[&other]), others]);
    let window = between(later, earlier);
    assert_eq!(window.threads()[0].name, "Thread-*");
}

#[test]
fn only_holds_that_reach_into_the_time_are_kept() {
    let hold = |start_ns| Hold {
        thread: 1,
        start_ns,
        duration_ns: 20,
        ..Hold::default()
    };
    let mut later = parts(250, vec![thread(1, "main", 1, 1)]);
    later.holds = vec![hold(1_070), hold(1_090), hold(1_200)];
    let window = between(later, parts(100, vec![]));
    let starts: Vec<u64> = window.holds().iter().map(|hold| hold.start_ns).collect();
    assert_eq!(starts, [1_090, 1_200]);
}

#[test]
fn the_history_begins_at_the_earlier_profile() {
    let width = FIRST_SLICE_NS;
    let history = |width_ns, slices: &[u64]| History {
        start_ns: 0,
        width_ns,
        slices: slices.iter().map(|&ns| slice(ns)).collect(),
    };
    let mut earlier = parts(2 * width, vec![]);
    earlier.history = history(width, &[1, 2, 4]);
    let mut later = parts(9 * width, vec![]);
    later.history = history(2 * width, &[3, 104, 8]);
    let window = between(later, earlier);
    assert_eq!(window.history().start_ns, 2 * width);
    assert_eq!(window.history().slices, [slice(100), slice(8)]);
}

#[test]
fn profiles_of_two_recordings_have_no_difference() {
    let later = Profile::assemble(parts(10, vec![]));
    let other = Profile::assemble(ProfileParts {
        recording: "b".into(),
        ..parts(5, vec![])
    });
    let said = later.difference(&other).unwrap_err().to_string();
    assert!(
        said.starts_with("profiles are of two recordings, a from 1000 ns and b"),
        "{said}"
    );
}

#[test]
fn the_later_profile_cannot_be_subtracted() {
    let later = Profile::assemble(parts(10, vec![]));
    let earlier = Profile::assemble(parts(5, vec![]));
    let said = earlier.difference(&later).unwrap_err().to_string();
    assert!(
        said.starts_with("wall_ns is greater in the earlier profile"),
        "{said}"
    );
}

#[test]
fn a_profile_less_itself_is_empty() {
    let one = Profile::assemble(parts(10, vec![thread(1, "main", 4, 6)]));
    let window = one.difference(&one).unwrap();
    assert_eq!((window.wall_ns(), window.holding_ns()), (0, 0));
    assert_eq!(window.threads()[0].hold, Distribution::empty());
}

fn site(thread: u64, stack: &[u32], weight_ns: u64) -> Site {
    Site {
        thread,
        stack: stack.into(),
        weight_ns,
        samples: weight_ns / 10,
        ..Site::default()
    }
}

fn with_sites(
    wall_ns: u64,
    threads: Vec<Thread>,
    names: &[&str],
    sites: Vec<Site>,
) -> ProfileParts {
    let frame = |name: &&str| Frame {
        function: (*name).into(),
        ..Frame::default()
    };
    ProfileParts {
        frames: names.iter().map(frame).collect(),
        sites,
        ..parts(wall_ns, threads)
    }
}

#[test]
fn sites_are_the_same_by_what_their_frames_are_and_not_by_their_indexes() {
    let main = || vec![thread(1, "main", 50, 50)];
    let earlier = with_sites(
        100,
        main(),
        &["run", "main"],
        vec![site(1, &[0, 1], 30), site(1, &[1], 20)],
    );
    let later = with_sites(
        200,
        main(),
        &["main", "new", "run"],
        vec![
            site(1, &[2, 0], 70),
            site(1, &[1, 0], 10),
            site(1, &[0], 20),
        ],
    );
    let window = between(later, earlier);
    let found: Vec<(String, u64, u64)> = window
        .sites()
        .iter()
        .map(|site| {
            let stack = window.stack(site).map(|frame| frame.function.as_str());
            (
                stack.collect::<Vec<_>>().join(" "),
                site.weight_ns,
                site.samples,
            )
        })
        .collect();
    assert_eq!(
        found,
        [("run main".into(), 40, 4), ("new main".into(), 10, 1)]
    );
}

#[test]
fn sites_of_a_thread_that_was_folded_are_taken_from_those_of_its_group() {
    let (first, gone) = (thread(7, "Thread-7", 9, 1), thread(8, "Thread-8", 30, 5));
    let earlier = with_sites(
        100,
        vec![gone.clone(), group(20, "Thread-*", &[&first])],
        &["run"],
        vec![site(8, &[0], 40), site(20, &[0], 20)],
    );
    let later = with_sites(
        200,
        vec![group(20, "Thread-*", &[&first, &gone])],
        &["run"],
        vec![site(20, &[0], 90)],
    );
    let window = between(later, earlier);
    assert_eq!(window.sites(), [site(20, &[0], 30)]);
    assert!(window.thread(20).is_some());
}

#[test]
fn a_difference_from_a_profile_without_stacks_has_none_that_can_be_trusted() {
    let mut earlier = parts(100, vec![]);
    earlier.stacks_missing = Some("n/a (why)".into());
    let window = between(parts(200, vec![]), earlier);
    assert_eq!(window.stacks_missing(), Some("n/a (why)"));
}

#[test]
fn what_the_host_kept_is_that_of_the_time_between() {
    let of = |wall_ns, stolen_ns| {
        Profile::assemble(ProfileParts {
            stolen_ns,
            ..parts(wall_ns, Vec::new())
        })
    };
    let between = of(200, Some(50)).difference(&of(100, Some(20))).unwrap();
    assert_eq!(between.stolen_ns(), Some(30));
    let unknown = of(200, Some(50)).difference(&of(100, None)).unwrap();
    assert_eq!(unknown.stolen_ns(), None);
}

#[test]
fn spans_are_those_that_have_ended_in_between() {
    let of = |wall_ns, spans| {
        let row = SpanRow {
            label: "load".into(),
            spans,
            wall_ns: 10 * spans,
            holding_ns: 10 * spans,
            ..SpanRow::default()
        };
        ProfileParts {
            spans: vec![row],
            ..parts(wall_ns, Vec::new())
        }
    };
    let window = between(of(200, 5), of(100, 2));
    assert_eq!(
        (window.spans()[0].spans, window.spans()[0].holding_ns),
        (3, 30)
    );
    assert!(between(of(200, 5), of(100, 5)).spans().is_empty());
}

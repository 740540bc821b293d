use super::*;
use crate::blame::Blame;
use crate::blocked::{Blocked, BlockedOn};
use crate::frame::Frame;
use crate::gil::Gil;
use crate::history::{Slice, SliceThread};
use crate::site::Site;
use crate::span::SpanRow;

fn profile() -> Profile {
    let thread = |id| Thread {
        id,
        ..Thread::default()
    };
    let slice = Slice {
        threads: vec![SliceThread {
            thread: 1,
            waiting_ns: 7,
            ..SliceThread::default()
        }],
        blame: Vec::new(),
    };
    Profile::assemble(ProfileParts {
        recording: "r".into(),
        threads: vec![thread(1), thread(2)],
        gils: vec![Gil::default()],
        blame: vec![Blame {
            waiter: 1,
            holder: 2,
            waiting_ns: 9,
            ..Blame::default()
        }],
        history: History {
            start_ns: 0,
            width_ns: FIRST_SLICE_NS,
            slices: vec![slice],
        },
        frames: vec![Frame {
            function: "work".into(),
            file: "app.py".into(),
            line: 7,
            ..Frame::default()
        }],
        sites: vec![Site {
            thread: 2,
            stack: vec![0],
            weight_ns: 9,
            samples: 1,
            ..Site::default()
        }],
        blocked: vec![Blocked {
            thread: 1,
            state: State::Detached,
            call: "futex".into(),
            on: Some(BlockedOn::Lock),
            lock: Some(0x7f00),
            native: vec![0],
            weight_ns: 8,
            samples: 1,
        }],
        spans: ["load", "save"].map(span).into(),
        ..ProfileParts::default()
    })
}

fn span(label: &str) -> SpanRow {
    SpanRow {
        label: label.into(),
        spans: 3,
        wall_ns: 60,
        holding_ns: 50,
        waiting_ns: 6,
        detached_ns: 4,
        caused_ns: 7,
        acquisitions: 2,
        waits: 1,
    }
}

fn refusal(from: &str, to: &str) -> String {
    let json = profile().to_json().unwrap();
    assert!(json.contains(from), "{json}");
    Profile::from_json(&json.replacen(from, to, 1))
        .unwrap_err()
        .to_string()
}

#[test]
fn what_is_saved_is_loaded() {
    let json = profile().to_json().unwrap();
    assert_eq!(Profile::from_json(&json).unwrap(), profile());
}

#[test]
fn a_profile_from_before_cpu_time_was_known_does_not_know_it() {
    let json = profile().to_json().unwrap();
    let fields = [
        "cpu_ns",
        "holding_cpu_ns",
        "holding_preempted_ns",
        "holding_blocked_ns",
        "detached_cpu_ns",
        "voluntary_switches",
        "involuntary_switches",
        "instructions",
        "cycles",
        "counted_ns",
    ];
    let old = fields.iter().fold(json, |json, field| {
        let said = format!("\"{field}\":null,");
        assert!(json.contains(&said), "{said} {json}");
        json.replace(&said, "")
    });
    assert_eq!(Profile::from_json(&old).unwrap(), profile());
}

#[test]
fn a_newer_format_is_named() {
    let said = refusal("\"format\":2", "\"format\":7");
    assert!(
        said.starts_with("profile has format 7, newest understood is 3"),
        "{said}"
    );
}

#[test]
fn text_that_is_no_profile_is_refused_with_its_place() {
    let said = Profile::from_json("{\"format\":1,\n oops")
        .unwrap_err()
        .to_string();
    assert!(said.contains("line 2 column"), "{said}");
    let said = Profile::from_json("{}").unwrap_err().to_string();
    assert!(said.contains("missing field `format`"), "{said}");
}

#[test]
fn blame_on_nobody_is_refused() {
    let said = refusal("\"holder\":2", "\"holder\":3");
    assert!(
        said.starts_with("blame[0].holder is 3, which is no thread of it"),
        "{said}"
    );
}

#[test]
fn two_rows_of_one_thread_are_refused() {
    let said = refusal("\"id\":2", "\"id\":1");
    assert!(said.starts_with("threads[1].id is 1"), "{said}");
}

#[test]
fn absurd_sums_are_refused() {
    let said = refusal("\"wall_ns\":0", "\"wall_ns\":2000000000000000000");
    assert!(
        said.starts_with("wall_ns is 2000000000000000000, longer than"),
        "{said}"
    );
}

#[test]
fn a_history_off_its_grid_is_refused() {
    let said = refusal("\"width_ns\":10000000", "\"width_ns\":10000001");
    assert!(said.starts_with("history.width_ns is 10000001"), "{said}");
    let said = refusal("\"history\":{\"start_ns\":0", "\"history\":{\"start_ns\":5");
    assert!(said.starts_with("history.start_ns is 5"), "{said}");
}

#[test]
fn a_site_of_nobody_or_of_no_frame_is_refused() {
    let said = refusal(
        "\"kind\":\"blame\",\"thread\":2",
        "\"kind\":\"blame\",\"thread\":3",
    );
    assert!(
        said.starts_with("sites[0].thread is 3, which is no thread of it"),
        "{said}"
    );
    let said = refusal("\"stack\":[0]", "\"stack\":[0,5]");
    assert!(
        said.starts_with("sites[0].stack[1] is 5, which is no frame of it"),
        "{said}"
    );
}

#[test]
fn what_blocked_nobody_or_a_waiter_is_refused() {
    let said = refusal("\"thread\":1,\"state\"", "\"thread\":3,\"state\"");
    assert!(said.starts_with("blocked[0].thread is 3"), "{said}");
    let said = refusal("\"state\":\"detached\"", "\"state\":\"waiting\"");
    assert!(said.starts_with("blocked[0].state is waiting"), "{said}");
    let said = refusal("\"native\":[0]", "\"native\":[4]");
    assert!(said.starts_with("blocked[0].native[0] is 4"), "{said}");
}

#[test]
fn a_profile_from_before_native_functions_says_that_it_has_none() {
    let json = profile().to_json().unwrap();
    let fields = ["\"native_missing\":null,", ",\"blocked_missing\":null"];
    let old = fields.iter().fold(json, |json, field| {
        assert!(json.contains(field), "{field} {json}");
        json.replace(field, "")
    });
    let loaded = Profile::from_json(&old).unwrap();
    let reason = Some("n/a (saved by a version without it)");
    assert_eq!(
        (loaded.native_missing(), loaded.blocked_missing()),
        (reason, reason)
    );
}

#[test]
fn an_absurd_weight_is_refused() {
    let said = refusal("\"weight_ns\":9", "\"weight_ns\":2000000000000000000");
    assert!(said.starts_with("sites[0].weight_ns is 2000"), "{said}");
}

#[test]
fn a_profile_of_the_first_format_says_that_it_has_no_stacks() {
    let mut parts = profile().into_parts();
    (parts.frames, parts.sites) = (Vec::new(), Vec::new());
    parts.blocked = Vec::new();
    let json = Profile::assemble(parts).to_json().unwrap();
    let (rows, _stacks) = json.split_once(",\"frames\":").unwrap();
    let first = rows.replacen("\"format\":2", "\"format\":1", 1) + "}";
    let loaded = Profile::from_json(&first).unwrap();
    assert_eq!(loaded.stacks_missing(), Some(NO_STACKS));
    assert_eq!(loaded.threads(), profile().threads());
    assert_eq!(
        Profile::from_json(&loaded.to_json().unwrap()).unwrap(),
        loaded
    );
}

#[test]
fn two_rows_of_one_label_are_refused() {
    let said = refusal("\"label\":\"save\"", "\"label\":\"load\"");
    assert!(
        said.starts_with("spans[1].label is load, which another row"),
        "{said}"
    );
}

#[test]
fn a_profile_without_spans_is_saved_as_before_there_were_any() {
    let mut parts = profile().into_parts();
    parts.spans.clear();
    let without = Profile::assemble(parts);
    let json = without.to_json().unwrap();
    assert!(!json.contains("span"), "{json}");
    assert_eq!(Profile::from_json(&json).unwrap(), without);
}

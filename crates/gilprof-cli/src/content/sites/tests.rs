use super::*;
use crate::sample;
use gilprof::core::Site;

fn rows(profile: &Profile) -> Vec<Vec<Cell>> {
    let section = sites(profile, &Labels::of(profile)).unwrap();
    section.table.unwrap().rows
}

fn with(sites: Vec<Site>) -> Profile {
    let mut parts = sample::contended().into_parts();
    parts.sites = sites;
    Profile::assemble(parts)
}

fn site(thread: u64, stack: &[u32], weight_ns: u64) -> Site {
    Site {
        thread,
        stack: stack.into(),
        weight_ns,
        samples: 1,
        ..Site::default()
    }
}

#[test]
fn the_most_costly_line_comes_first_and_its_callers_below_it() {
    let rows = rows(&sample::contended());
    assert_eq!(
        rows[0],
        [
            "crunch".into(),
            "app/work.py:10".into(),
            "main".into(),
            "380 ms".into(),
            "49 %".into()
        ]
    );
    let callers = "  ← run work.py:30  ← main app.py:5  ← <module> app.py:9";
    assert_eq!(rows[1], [Cell::Line(callers.into())]);
    assert_eq!(rows[2][2], "worker-1".into());
}

#[test]
fn a_line_that_several_threads_were_at_is_one_row() {
    let rows = rows(&with(vec![site(1, &[0], 70), site(2, &[0], 90)]));
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0][2..4], ["worker-1 +1".into(), "160 ns".into()]);
}

#[test]
fn callers_past_the_third_are_not_shown() {
    let rows = rows(&with(vec![site(1, &[0, 1, 2, 3, 1], 70)]));
    let Cell::Line(line) = &rows[1][0] else {
        panic!("{rows:?}");
    };
    assert!(line.ends_with("← <module> app.py:9  …"), "{line}");
}

#[test]
fn a_stack_that_is_not_known_is_said_to_be_so() {
    let rows = rows(&with(vec![site(1, &[], 70)]));
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0][0], "n/a (stack not known)".into());
}

#[test]
fn stacks_past_the_last_row_are_summed_in_one_line() {
    let mut parts = sample::contended().into_parts();
    let frame = parts.frames[0].clone();
    parts.frames = (1..=13)
        .map(|line| Frame {
            line,
            ..frame.clone()
        })
        .collect();
    parts.sites = (0..13).map(|line| site(1, &[line], 100)).collect();
    let rows = rows(&Profile::assemble(parts));
    assert_eq!(rows.len(), ROWS + 1);
    assert_eq!(rows[ROWS][0], "… and 3 more".into());
    assert_eq!(rows[ROWS][3], "300 ns".into());
}

#[test]
fn without_blame_there_is_no_section() {
    let profile = with(vec![Site {
        kind: SiteKind::Hold,
        ..site(1, &[0], 9)
    }]);
    assert!(sites(&profile, &Labels::of(&profile)).is_none());
}

#[test]
fn the_name_of_a_function_cannot_steer_the_terminal() {
    let mut parts = sample::contended().into_parts();
    parts.frames[0].function = "a\x1b[31m".into();
    parts.frames[0].file = "/x/\n.py".into();
    let rows = rows(&Profile::assemble(parts));
    assert_eq!(rows[0][..2], ["a?[31m".into(), "x/?.py:10".into()]);
}

#[test]
fn the_native_function_that_a_line_called_is_below_it() {
    let mut parts = sample::contended().into_parts();
    parts.frames.push(Frame::of_native(
        Some("list_sort".into()),
        "libpython3.12.so.1.0",
    ));
    parts.sites = vec![
        Site {
            native: vec![4],
            ..site(1, &[0], 90)
        },
        site(1, &[0], 10),
    ];
    let rows = rows(&Profile::assemble(parts));
    let told = Cell::Line("  in list_sort (libpython3.12.so.1.0) 90 %".into());
    assert_eq!(rows[1], [told]);
}

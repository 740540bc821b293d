//! What each process did with its time, where there are several.

use gilprof::Profile;
use gilprof::core::Process;

use super::document::{Cell, Column, Section, Table};
use super::labels::harmless;
use crate::duration::duration;
use crate::number::{count, percent};

/// Rows of processes that are shown one by one.
const ROWS: usize = 20;

const COLUMNS: [Column; 7] = [
    Column::text("process"),
    Column::number("threads", 2),
    Column::number("recorded", 3),
    Column::number("GIL held", 0),
    Column::number("waiting", 0),
    Column::number("contention", 1),
    Column::text("finding"),
];

/// A row a process, those that waited most first, and what is between them; `None` where
/// there is but one.
pub(crate) fn processes(profile: &Profile) -> Option<Section> {
    let processes = profile.processes();
    if processes.len() < 2 {
        return None;
    }
    let mut all: Vec<One> = processes.iter().map(|one| One::of(profile, one)).collect();
    all.sort_by_key(|one| std::cmp::Reverse((one.waiting_ns, one.holding_ns)));
    let shown = all.iter().take(ROWS).map(One::row);
    let mut rows: Vec<Vec<Cell>> = shown.collect();
    if let Some(hidden) = all.len().checked_sub(ROWS).filter(|&hidden| hidden > 0) {
        rows.push(vec![Cell::Line(format!(
            "… and {} more",
            count(hidden as u64)
        ))]);
    }
    rows.extend(["min", "median", "max"].map(|which| between(which, &all)));
    Some(Section {
        heading: "Processes",
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

/// A process's sums.
struct One {
    label: String,
    threads: u64,
    wall_ns: u64,
    holding_ns: u64,
    waiting_ns: u64,
    finding: &'static str,
}

impl One {
    fn of(profile: &Profile, process: &Process) -> Self {
        let own = profile.of_process(process);
        Self {
            label: format!("{} {}", process.pid, harmless(&process.program)),
            threads: own.threads().iter().map(|thread| thread.members).sum(),
            wall_ns: own.wall_ns(),
            holding_ns: own.holding_ns(),
            waiting_ns: own.waiting_ns(),
            finding: own.verdict().id.as_str(),
        }
    }

    fn wanted_ns(&self) -> u64 {
        self.holding_ns.saturating_add(self.waiting_ns)
    }

    fn row(&self) -> Vec<Cell> {
        vec![
            self.label.as_str().into(),
            count(self.threads).into(),
            duration(self.wall_ns).into(),
            percent(self.holding_ns, self.wall_ns).into(),
            duration(self.waiting_ns).into(),
            percent(self.waiting_ns, self.wanted_ns()).into(),
            self.finding.into(),
        ]
    }
}

/// The least, the one in the middle, or the most of each column by itself.
fn between(which: &'static str, all: &[One]) -> Vec<Cell> {
    let pick = |key: &dyn Fn(&One) -> f64| -> Option<&One> {
        let mut sorted: Vec<&One> = all.iter().collect();
        sorted.sort_by(|a, b| key(a).total_cmp(&key(b)));
        match which {
            "min" => sorted.first().copied(),
            "median" => sorted.get((sorted.len() - 1) / 2).copied(),
            _ => sorted.last().copied(),
        }
    };
    let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    let cell = |key: &dyn Fn(&One) -> f64, text: fn(&One) -> String| {
        Cell::Text(pick(key).map(text).unwrap_or_default())
    };
    vec![
        which.into(),
        cell(&|one| one.threads as f64, |one| count(one.threads)),
        cell(&|one| one.wall_ns as f64, |one| duration(one.wall_ns)),
        cell(&|one| share(one.holding_ns, one.wall_ns), |one| {
            percent(one.holding_ns, one.wall_ns)
        }),
        cell(&|one| one.waiting_ns as f64, |one| duration(one.waiting_ns)),
        cell(&|one| share(one.waiting_ns, one.wanted_ns()), |one| {
            percent(one.waiting_ns, one.wanted_ns())
        }),
        "".into(),
    ]
}

#[cfg(test)]
mod tests {
    use gilprof::core::{Gil, ProfileParts};

    use super::*;
    use crate::sample::{profile_of, thread};

    fn process(pid: u32, waiting_ns: u64) -> Profile {
        let mut main = thread(1, "main");
        (main.pid, main.waiting_ns) = (pid, waiting_ns);
        let gil = Gil {
            pid,
            ..Gil::default()
        };
        Profile::assemble(ProfileParts {
            recording: format!("r{pid}"),
            pid,
            program: String::from("gunicorn"),
            gils: vec![gil],
            ..profile_of(vec![main]).into_parts()
        })
    }

    fn firsts(profile: &Profile) -> Vec<Cell> {
        let table = processes(profile).and_then(|section| section.table);
        let rows = table.map(|table| table.rows).unwrap_or_default();
        rows.into_iter().map(|mut row| row.swap_remove(0)).collect()
    }

    #[test]
    fn a_single_process_has_no_table_of_its_own() {
        assert!(processes(&process(1, 0)).is_none());
    }

    #[test]
    fn who_waited_most_comes_first_and_what_is_between_them_last() {
        let merged = Profile::merge(&[process(1, 10), process(2, 30), process(3, 20)]).unwrap();
        let labels = [
            "2 gunicorn",
            "3 gunicorn",
            "1 gunicorn",
            "min",
            "median",
            "max",
        ];
        assert_eq!(firsts(&merged), labels.map(Cell::from));
        let rows = processes(&merged).unwrap().table.unwrap().rows;
        let waiting: Vec<&Cell> = rows[3..].iter().map(|row| &row[4]).collect();
        assert_eq!(
            waiting,
            [
                &duration(10).into(),
                &duration(20).into(),
                &duration(30).into()
            ]
        );
    }

    #[test]
    fn no_more_rows_than_fit_a_screen_are_shown() {
        let all: Vec<Profile> = (1..=23).map(|pid| process(pid, pid.into())).collect();
        let merged = Profile::merge(&all).unwrap();
        assert_eq!(firsts(&merged)[ROWS], Cell::Line("… and 3 more".into()));
    }
}

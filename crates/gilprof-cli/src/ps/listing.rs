//! What is told of a process in a list.

use gilprof_attach::{Gil, Presence, Target};
use serde::Serialize;

/// What is told of a process. `None` is what cannot be seen.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) pid: u32,
    pub(super) python: Option<String>,
    pub(super) threads: u32,
    pub(super) gil: Option<&'static str>,
    pub(super) gils: Option<usize>,
    pub(super) probe: Option<&'static str>,
    pub(super) attach: bool,
    pub(super) reason: Option<String>,
    pub(super) user: u32,
    pub(super) module: Option<String>,
    pub(super) command: Vec<String>,
    pub(super) name: String,
}

impl Row {
    pub(super) fn of(target: &Target) -> Self {
        let (process, python) = (target.process(), target.python());
        Row {
            pid: process.pid(),
            python: python.and_then(|python| Some(python.version()?.to_string())),
            threads: process.threads(),
            gil: python.and_then(|python| python.gil()).map(gil),
            gils: python.and_then(|python| python.gils()),
            probe: target.presence().map(probe),
            attach: target.refusal().is_none(),
            reason: target.refusal().map(ToString::to_string),
            user: process.user(),
            module: python.map(|python| python.module().into()),
            command: process.command(),
            name: process.name().into(),
        }
    }

    /// The text of each column.
    pub(super) fn cells(&self) -> [String; 7] {
        let known = |text: Option<&str>| text.unwrap_or("n/a").to_string();
        let gil = match (self.gil, self.gils) {
            (Some(state), Some(2..)) => format!("{state} ({})", self.gils.unwrap_or_default()),
            (state, _) => known(state),
        };
        [
            self.pid.to_string(),
            known(self.python.as_deref()),
            self.threads.to_string(),
            gil,
            known(self.probe),
            String::from(if self.attach { "yes" } else { "no" }),
            // As ps(1) does it where there is no command line.
            match self.command.is_empty() {
                true => format!("({})", self.name),
                false => self.command.join(" "),
            },
        ]
    }
}

/// The list as JSON.
pub(super) fn json(rows: &[Row]) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct List<'r> {
        processes: &'r [Row],
    }
    let list = serde_json::to_string_pretty(&List { processes: rows })?;
    Ok(list + "\n")
}

fn gil(gil: Gil) -> &'static str {
    match gil {
        Gil::On => "on",
        Gil::Off => "off",
    }
}

fn probe(presence: &Presence) -> &'static str {
    match presence {
        Presence::Absent => "no",
        Presence::Loaded => "loaded",
        Presence::Recording => "recording",
        Presence::Elsewhere(_) => "other",
    }
}

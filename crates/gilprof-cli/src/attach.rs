//! `gilprof attach`: records a process that runs already, and reports.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use gilprof::{Profile, Source};
use rustix::process::Signal;

use crate::args::{AttachArgs, Format};
use crate::command::say;
use crate::duration::duration;
use crate::error::Error;
use crate::file::Target;
use crate::format::render;
use crate::number::percent;
use crate::print::print;
use crate::source::begin;
use crate::terminal::Terminal;

/// How long to wait before looking again whether it is time to end.
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is said how far the recording is.
const SAID: Duration = Duration::from_secs(1);

/// Records the process for a while; gives back the exit status.
///
/// # Errors
/// Where an option is wrong, the process cannot be attached to, or nothing can be written.
pub(crate) fn attach(args: &AttachArgs) -> Result<i32, Error> {
    let target = args.output.as_deref().map(Target::prepare).transpose()?;
    let asked_to_end = hear_signals()?;
    let source = begin(args.pid, args.tree, &args.sampling, &args.recording)?;
    let mut progress = Progress::new(args.pid, args.duration);
    let end = Instant::now() + args.duration;
    while Instant::now() < end && !asked_to_end.load(SeqCst) && !source.has_ended() {
        progress.say(&*source);
        std::thread::sleep(PAUSE.min(end.saturating_duration_since(Instant::now())));
    }
    progress.clear();
    let profile = source.stop()?;
    tell(&profile, args.format, target.as_ref())
}

/// Whether a signal has come that asks to end: then what was recorded is reported.
fn hear_signals() -> Result<Arc<AtomicBool>, Error> {
    let heard = Arc::new(AtomicBool::new(false));
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let refused = |source| Error::Os {
            what: "listen for signals",
            source,
        };
        let number = signal.as_raw();
        // The second one ends this program at once.
        let (first, second) = (Arc::clone(&heard), Arc::clone(&heard));
        signal_hook::flag::register_conditional_default(number, second).map_err(refused)?;
        signal_hook::flag::register(number, first).map_err(refused)?;
    }
    Ok(heard)
}

fn tell(profile: &Profile, format: Option<Format>, target: Option<&Target>) -> Result<i32, Error> {
    if let Some(target) = target {
        let path = target.save(profile)?;
        let sentence = profile.verdict().sentence;
        say(&format!(
            "{sentence} Saved: gilprof report {}",
            path.display()
        ));
        if format.is_none() {
            return Ok(0);
        }
    }
    let terminal = Terminal::of(&io::stdout());
    print(&render(profile, format.unwrap_or(Format::Text), terminal)?)
}

/// One line on the terminal that says how far the recording is.
#[derive(Debug)]
struct Progress {
    pid: u32,
    duration: Duration,
    began: Instant,
    said: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    fn new(pid: u32, duration: Duration) -> Self {
        Progress {
            pid,
            duration,
            began: Instant::now(),
            said: None,
            is_shown: io::stderr().is_terminal(),
        }
    }

    fn say(&mut self, source: &dyn Source) {
        let is_due = self.said.is_none_or(|said| said.elapsed() >= SAID);
        if !self.is_shown || !is_due {
            return;
        }
        self.said = Some(Instant::now());
        let so_far = source.snapshot();
        let line = format!(
            "recording process {}: {} of {}, {} threads, {}; Ctrl-C ends it",
            self.pid,
            whole(self.began.elapsed()),
            whole(self.duration),
            so_far.threads().len(),
            match so_far.processes().len() {
                ..2 => format!(
                    "GIL held {}",
                    percent(so_far.holding_ns(), so_far.wall_ns())
                ),
                many => format!("{many} processes"),
            },
        );
        self.write(&line);
    }

    fn clear(&self) {
        if self.said.is_some() {
            self.write("");
        }
    }

    fn write(&self, line: &str) {
        let mut stderr = io::stderr();
        // To the line's begin, and away with what is left of the old one. Without a
        // standard error there is nobody to tell.
        if let Err(_unheard) = write!(stderr, "\r{line}\x1b[K") {}
        if let Err(_unheard) = stderr.flush() {}
    }
}

fn whole(time: Duration) -> String {
    duration(time.as_nanos() as u64)
}

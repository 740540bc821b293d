//! The command line's grammar.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use gilprof::{Options, Sampling};

use crate::error::Error;

const EXAMPLES: &str = "\
Examples:
  gilprof run -- python app.py
  gilprof run -o app.json -- python -m pytest tests
  gilprof attach 4242 -d 30
  gilprof report app.json --format md
  gilprof merge worker-*.json -o all.json
  gilprof ps
  gilprof top 4242";

const RUN_EXAMPLES: &str = "\
The program's output, input, signals and exit status are its own. The report
goes to the standard error, also when the program was killed. It is that of
the first Python that starts with gilprof installed; with --follow, of all.

Exit status: the program's; 127 where there is no such command, 126 where it
cannot be run, 2 where an option is wrong or --require is not met.

Examples:
  gilprof run -- python app.py --port 8080
  gilprof run --format md -- python -m mymodule
  gilprof run -o app.json -- ./start-server.sh
  gilprof run --follow -- gunicorn -w 4 app:app
  gilprof run --require -o ci.json -- python -m pytest";

const ATTACH_EXAMPLES: &str = "\
The process runs on; none of its threads stands still for longer than a few
system calls take. Afterwards it is as before. Ctrl-C ends the recording early,
and a process that ends does so, too: then the report goes up to there.

Examples:
  gilprof ps
  gilprof attach 4242
  gilprof attach 4242 --sample
  gilprof attach --tree 4242
  gilprof attach 4242 -d 60 -o service.json";

const PS_EXAMPLES: &str = "\
Nothing is written to the processes, and none is stopped. Where gilprof may not
attach, the reason stands below.

Examples:
  gilprof ps
  gilprof ps --format json | jq '.processes[] | select(.attach).pid'";

const TOP_EXAMPLES: &str = "\
Key h on the screen tells of all keys. Colours are left out where NO_COLOR is set,
and lines are drawn in ASCII where the locale is not UTF-8.

Examples:
  gilprof top 4242
  gilprof top 4242 --sample
  gilprof top 4242 -r 5 -o service.json";

/// Tells whether the GIL is what a Python program waits for, and who holds it.
#[derive(Debug, Parser)]
#[command(name = "gilprof", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a program, profile the Python in it, and report.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Record a Python process that runs already, and report, to the standard output.
    #[command(after_help = ATTACH_EXAMPLES)]
    Attach(AttachArgs),
    /// Report on a saved profile, to the standard output.
    #[command(after_help = "Example:\n  gilprof report app.json --format md > report.md")]
    Report(ReportArgs),
    /// Put several saved profiles together into one.
    #[command(after_help = "Example:\n  gilprof merge worker-*.json -o all.json")]
    Merge(MergeArgs),
    /// List the Pythons that are running, and whether gilprof may attach to them.
    #[command(after_help = PS_EXAMPLES)]
    Ps(PsArgs),
    /// Show live, on a full screen, how a Python process that runs already uses the GIL.
    #[command(after_help = TOP_EXAMPLES)]
    Top(TopArgs),
}

/// Profile a program.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Save the profile to FILE as JSON, and only say the verdict, unless --format is given too.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Form of the report on the standard error [default: text].
    #[arg(long, value_enum, hide_default_value = true)]
    pub(crate) format: Option<Format>,
    /// Profile all Pythons that the program starts, also by fork, and not the first one only:
    /// the report has a row for each process.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Fail where the program cannot be profiled, rather than run it all the same.
    #[arg(long)]
    pub(crate) require: bool,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// How to record.
#[derive(Debug, clap::Args)]
pub(crate) struct RecordingArgs {
    /// How many threads can have sums of their own at a time: 1 to 4096 [default: 256].
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<String>,
    /// How many events the ring holds, a power of two: 1024 to 67108864 [default: 262144].
    #[arg(long, value_name = "N")]
    pub(crate) ring: Option<String>,
    /// The clock: auto or monotonic [default: auto].
    #[arg(long, value_name = "CLOCK")]
    pub(crate) clock: Option<String>,
    /// After how much of a thread's time its stack is taken, 100us to 1s, or off [default: 1ms].
    #[arg(long, value_name = "TIME")]
    pub(crate) stacks: Option<String>,
    /// How many of the latest events are saved with the profile, 1MB to 4096MB, or off [default: off].
    #[arg(long, value_name = "SIZE")]
    pub(crate) timeline: Option<String>,
    /// Whether the CPUs count each thread's instructions and cycles: hardware or off [default: off].
    #[arg(long, value_name = "WHICH")]
    pub(crate) counters: Option<String>,
}

impl RecordingArgs {
    /// How to record.
    pub(crate) fn options(&self) -> Result<Options, Error> {
        let mut options = Options::default();
        let given = [
            ("threads", &self.threads),
            ("ring", &self.ring),
            ("clock", &self.clock),
            ("stacks", &self.stacks),
            ("timeline", &self.timeline),
            ("counters", &self.counters),
        ];
        for (option, value) in given {
            if let Some(value) = value {
                options.set(option, value)?;
            }
        }
        Ok(options)
    }
}

/// Look at a process from outside, instead.
#[derive(Debug, clap::Args)]
pub(crate) struct SamplingArgs {
    /// Only look at the process from outside, now and then: nothing is written to it and none
    /// of its threads stands still. The times are estimates.
    #[arg(long, conflicts_with_all = ["threads", "ring", "clock", "stacks", "timeline", "counters"])]
    pub(crate) sample: bool,
    /// How long it is between two such looks on average, 100us to 1s [default: 2ms, or longer
    /// where that takes more than a twentieth of a CPU].
    #[arg(long, value_name = "TIME", requires = "sample")]
    pub(crate) interval: Option<String>,
}

impl SamplingArgs {
    /// How long it is between two looks.
    pub(crate) fn interval(&self) -> Result<Option<Duration>, Error> {
        let interval = self.interval.as_deref().map(Sampling::interval);
        Ok(interval.transpose()?)
    }
}

/// Record a process that runs already.
#[derive(Debug, clap::Args)]
pub(crate) struct AttachArgs {
    /// The process; `gilprof ps` lists those there are.
    #[arg(value_name = "PID")]
    pub(crate) pid: u32,
    /// Record all Pythons that it has started as well, and those that they start meanwhile: the
    /// report has a row for each process.
    #[arg(long)]
    pub(crate) tree: bool,
    /// For how many seconds [default: 10].
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "10", hide_default_value = true)]
    pub(crate) duration: Duration,
    /// Save the profile to FILE as JSON, and only say the verdict, unless --format is given too.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Form of the report on the standard output [default: text].
    #[arg(long, value_enum, hide_default_value = true)]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
}

/// The longest recording, in seconds: a year.
const LONGEST: f64 = 365.0 * 86_400.0;

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    let allowed = seconds.filter(|&seconds| seconds > 0.0 && seconds <= LONGEST);
    let seconds = allowed.ok_or("a number of seconds is expected, more than 0, as in 10 or 0.5")?;
    Ok(Duration::from_secs_f64(seconds))
}

/// Report on a profile.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// A saved profile.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Put profiles together.
#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// Saved profiles.
    #[arg(required = true, value_name = "FILES")]
    pub(crate) files: Vec<PathBuf>,
    /// Where to save what comes out.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// List processes.
#[derive(Debug, clap::Args)]
pub(crate) struct PsArgs {
    /// List all processes, also those with no Python in them.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Form of the list.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub(crate) format: ListFormat,
}

/// Show a process live.
#[derive(Debug, clap::Args)]
pub(crate) struct TopArgs {
    /// The process; `gilprof ps` lists those there are.
    #[arg(value_name = "PID")]
    pub(crate) pid: u32,
    /// How long from one screen to the next [default: 1].
    #[arg(short, long, value_name = "SECONDS", value_parser = refresh, default_value = "1", hide_default_value = true)]
    pub(crate) refresh: Duration,
    /// Where key f saves the profile as JSON [default: a new file in the current folder].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
}

fn refresh(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    let allowed = seconds.filter(|seconds| (0.1..=3600.0).contains(seconds));
    let seconds = allowed.ok_or("a number of seconds from 0.1 to 3600 is expected, as in 2")?;
    Ok(Duration::from_secs_f64(seconds))
}

/// Form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// A table, laid out to the width of the terminal.
    Text,
    /// An object with a list of objects.
    Json,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, laid out to the width of the terminal.
    Text,
    /// The whole profile, as it is saved.
    Json,
    /// Markdown, as for a pull request.
    Md,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn run(args: &[&str]) -> Result<RunArgs, clap::Error> {
        let all = ["gilprof", "run"].iter().chain(args);
        match Args::try_parse_from(all)?.command {
            Command::Run(run) => Ok(run),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_grammar_does_not_contradict_itself() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_follows_the_program_is_the_programs_own() {
        let args = run(&["-o", "a", "--", "python", "-o", "b", "--", "--require"]).unwrap();
        assert_eq!(args.command, ["python", "-o", "b", "--", "--require"]);
        assert_eq!(args.output, Some("a".into()));
        assert!(!args.require);
    }

    #[test]
    fn the_two_dashes_may_be_left_out() {
        let args = run(&["--require", "python", "-m", "app", "--format", "x"]).unwrap();
        assert_eq!(args.command, ["python", "-m", "app", "--format", "x"]);
        assert!(args.require && args.format.is_none());
    }

    #[test]
    fn an_unknown_option_is_not_taken_for_a_program() {
        let error = run(&["--bogus", "python"]).unwrap_err().to_string();
        assert!(error.contains("'--bogus'"), "{error}");
    }

    #[test]
    fn a_duration_is_a_number_of_seconds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "nan", "inf", "1e12", "soon", ""] {
            assert!(seconds(wrong).unwrap_err().contains("number of seconds"));
        }
    }

    #[test]
    fn a_screen_is_drawn_neither_too_often_nor_never() {
        assert_eq!(refresh("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "0.01", "-1", "nan", "inf", "1e9", "soon", ""] {
            assert!(refresh(wrong).unwrap_err().contains("0.1 to 3600"));
        }
    }

    #[test]
    fn an_option_out_of_bounds_is_told_what_is_allowed() {
        let args = run(&["--clock", "sundial", "--", "python"]).unwrap();
        assert_eq!(
            args.recording.options().unwrap_err().to_string(),
            "option clock=sundial is not allowed: auto or monotonic"
        );
    }
}

//! A program in a terminal, and what that shows.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// Nothing on a screen takes as long: who waits longer waits in vain.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program in a terminal.
pub(crate) struct Shown {
    pub(crate) child: Child,
    /// Where it runs.
    pub(crate) folder: PathBuf,
    master: Option<File>,
    output: Receiver<Vec<u8>>,
    /// All that it has written.
    pub(crate) all: Vec<u8>,
    parser: vt100::Parser,
}

fn size(length: u16) -> NonZeroU16 {
    NonZeroU16::new(length).unwrap()
}

impl Shown {
    /// Starts the program in the foreground of a terminal of its own, of 80 columns and
    /// 24 lines, in an empty folder.
    pub(crate) fn start(program: impl AsRef<OsStr>, set: impl FnOnce(&mut Command)) -> Self {
        let folder = folder();
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        unlockpt(&master).unwrap();
        let slave = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(slave).unwrap();
        let master = File::from(master);
        resize(&master, 80, 24);
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program).current_dir(&folder);
        command.env_remove("NO_COLOR").env("TERM", "xterm");
        command.env("LC_ALL", "C.UTF-8").env("RUST_BACKTRACE", "0");
        set(&mut command);
        let terminal = || slave.try_clone().unwrap();
        command
            .stdin(terminal())
            .stdout(terminal())
            .stderr(terminal());
        let child = command.spawn().unwrap();
        drop(command);
        drop(slave);
        let (sender, output) = channel();
        let mut reader = master.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 65536];
            // An error is what the end looks like here.
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Shown {
            child,
            folder,
            master: Some(master),
            output,
            all: Vec::new(),
            parser: vt100::Parser::new(size(24), size(80), 0),
        }
    }

    fn master(&self) -> &File {
        self.master.as_ref().expect("its terminal is gone")
    }

    /// Takes its terminal away.
    pub(crate) fn hang_up(&mut self) {
        self.master = None;
        // The reader closes its own when it finds out that nobody wants what it reads.
        self.output = channel().1;
    }

    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// What is on the screen.
    pub(crate) fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// Reads on until the screen is so. A live screen never falls silent.
    pub(crate) fn until(&mut self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so(self.parser.screen()) {
            match self
                .output
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => {
                    self.parser.process(&bytes);
                    self.all.extend(bytes);
                }
                Err(_) => panic!("it is never {what}:\n{}", self.text()),
            }
        }
    }

    pub(crate) fn until_shows(&mut self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    pub(crate) fn until_left(&mut self) {
        self.until("left", |screen| !screen.alternate_screen());
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.master().write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn resize(&mut self, columns: u16, lines: u16) {
        self.parser.set_size(size(lines), size(columns));
        resize(self.master(), columns, lines);
    }

    /// Whether the terminal is as a shell has it.
    pub(crate) fn is_cooked(&self) -> bool {
        let modes = tcgetattr(self.master()).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Reads to its end; says how it ended.
    pub(crate) fn end(&mut self) -> ExitStatus {
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.parser.process(&bytes);
            self.all.extend(bytes);
        }
        self.child.wait().unwrap()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn resize(master: &File, columns: u16, lines: u16) {
    let size = Winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).unwrap();
}

/// An empty folder of its own for one run.
fn folder() -> PathBuf {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "gilprof-top-{}-{}",
        std::process::id(),
        RUNS.fetch_add(1, SeqCst)
    );
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

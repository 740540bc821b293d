//! The program that is profiled, as a child process in our process group.

use std::ffi::OsString;
use std::process;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::ending::Ending;
use crate::error::Error;

/// A running program.
#[derive(Debug)]
pub(crate) struct Child {
    process: process::Child,
    pid: Pid,
}

impl Child {
    /// Starts `command` with our own input, output, process group and signal
    /// mask, and with `environment` added to ours.
    ///
    /// # Errors
    /// [`Error::Spawn`] where it cannot be started.
    pub(crate) fn spawn(
        command: &[OsString],
        environment: &[(&str, String)],
    ) -> Result<Self, Error> {
        let (program, arguments) = command.split_first().unzip();
        let program = program.cloned().unwrap_or_default();
        let spawned = process::Command::new(&program)
            .args(arguments.unwrap_or_default())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .spawn();
        let process = spawned.map_err(|source| Error::Spawn {
            program: program.to_string_lossy().into_owned(),
            source,
        })?;
        let pid = Pid::from_child(&process);
        Ok(Child { process, pid })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends it a signal. It has not been waited for yet, so its id is its own.
    pub(crate) fn send(&self, signal: Signal) {
        // It may be over already, or have changed its user.
        if let Err(_unsent) = rustix::process::kill_process(self.pid, signal) {}
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// [`Error::Os`] where the system does not tell.
    pub(crate) fn ended(&mut self) -> Result<Option<Ending>, Error> {
        let status = self.process.try_wait().map_err(|source| Error::Os {
            what: "wait for the program",
            source,
        })?;
        Ok(status.map(Ending::of))
    }

    /// Whether the terminal's job control has stopped it since the last call.
    pub(crate) fn was_suspended(&self) -> bool {
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let status = rustix::process::waitid(WaitId::Pid(self.pid), stopped);
        let signal = status
            .ok()
            .flatten()
            .and_then(|status| status.stopping_signal());
        // Not SIGSTOP: who sends that to the program continues the program only.
        [Signal::TSTP, Signal::TTIN, Signal::TTOU]
            .map(|signal| Some(signal.as_raw()))
            .contains(&signal)
    }
}

//! Profiles in files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gilprof::Profile;

use crate::error::Error;

/// Reads a saved profile.
///
/// # Errors
/// [`Error::Read`] where there is no such file, [`Error::File`] where it is not
/// a profile or a newer one.
pub(crate) fn load(path: &Path) -> Result<Profile, Error> {
    let bytes = fs::read(path).map_err(|source| Error::read(path, source))?;
    let text = String::from_utf8_lossy(&bytes);
    Profile::from_json(&text).map_err(|source| Error::File {
        path: path.into(),
        source,
    })
}

/// A place for a profile, found to be writable before anything else is done.
#[derive(Debug)]
pub(crate) struct Target {
    /// As the user named it.
    named: PathBuf,
    /// Where it really is, behind symbolic links.
    real: PathBuf,
    /// A device or a pipe is written to as it is; a file is replaced at once
    /// and as a whole.
    replaced: bool,
}

impl Target {
    /// Looks whether a profile can be saved there.
    ///
    /// # Errors
    /// [`Error::Write`] where it cannot.
    pub(crate) fn prepare(path: &Path) -> Result<Self, Error> {
        let found = fs::metadata(path);
        let real = fs::canonicalize(path).unwrap_or_else(|_new| path.into());
        let target = Target {
            named: path.into(),
            real,
            replaced: found.map_or(true, |found| found.is_file() || found.is_dir()),
        };
        target
            .try_out()
            .map_err(|source| Error::write(path, source))?;
        Ok(target)
    }

    fn try_out(&self) -> io::Result<()> {
        if self.real.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !self.replaced {
            return Ok(());
        }
        let (_file, path) = self.draft()?;
        fs::remove_file(path)
    }

    /// An empty file beside the real one.
    fn draft(&self) -> io::Result<(File, PathBuf)> {
        let name = self
            .real
            .file_name()
            .ok_or(io::ErrorKind::InvalidFilename)?;
        let mut draft = std::ffi::OsString::from(".");
        draft.push(name);
        draft.push(format!(".{}.tmp", std::process::id()));
        let path = self.real.with_file_name(draft);
        Ok((File::create(&path)?, path))
    }

    /// Saves the profile; gives back where, as the user named it.
    ///
    /// # Errors
    /// [`Error::Write`] where it cannot be written; what was there before is
    /// still there.
    pub(crate) fn save(&self, profile: &Profile) -> Result<&Path, Error> {
        let json = profile.to_json()? + "\n";
        let written = match self.replaced {
            true => self.replace(json.as_bytes()),
            false => fs::write(&self.real, json),
        };
        written.map_err(|source| Error::write(&self.named, source))?;
        Ok(&self.named)
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let (mut file, draft) = self.draft()?;
        let placed = file
            .write_all(bytes)
            .and_then(|()| fs::rename(&draft, &self.real));
        placed.inspect_err(|_| {
            // The first error is the one to tell of.
            if let Err(_left) = fs::remove_file(&draft) {}
        })
    }
}

//! The file in memory that a region lies in, made by the process that is recorded.

use std::fs::{File, OpenOptions};

use gilprof_region::Sizes;

use crate::error::Error;
use crate::exact::area::{Area, Note};
use crate::exact::errand::{Errand, Value};
use crate::exact::remote::Remote;
use crate::exact::slots::{self, Patched};

/// What it is called, where files are listed.
const NAME: &str = "gilprof-attach";

/// Has the process make and map a file in memory, which is opened here, too: that works
/// in whatever container it is. Gives back the process's number of the file. On the way,
/// the pages of the slots are made writable.
///
/// # Errors
/// [`Error::Refused`] where the system refuses, or no thread could be borrowed.
pub(crate) fn make(
    remote: &Remote,
    area: &mut Area,
    slots: &[Patched],
    sizes: Sizes,
) -> Result<(File, u64), Error> {
    let bytes = sizes.bytes() as u64;
    let room = area.note(remote, Note::RegionBytes, 0)?;
    // The addresses of the last region are used again: see [`free`].
    let (address, fixed) = match room >= bytes {
        true => (area.note(remote, Note::Region, 0)?, libc::MAP_FIXED),
        false => (0, 0),
    };
    // The rest of the page is zero, which ends it.
    remote.write(area.place(Note::Name, 0), NAME.as_bytes())?;
    let rights = (libc::PROT_READ | libc::PROT_WRITE) as u64;
    let flags = (libc::MAP_SHARED | libc::MAP_NORESERVE | fixed) as u64;
    let kind = u64::from(libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
    let map = [
        address.into(),
        bytes.into(),
        rights.into(),
        flags.into(),
        Value::Kept,
        0.into(),
    ];
    let register = libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as u64;
    let errand = Errand::new()
        .call(
            libc::SYS_memfd_create,
            &[area.place(Note::Name, 0).into(), kind.into()],
        )
        .keep()
        .note(area.place(Note::Results, 0))
        .call(libc::SYS_ftruncate, &[Value::Kept, bytes.into()])
        .note(area.place(Note::Results, 1))
        .call(libc::SYS_mmap, &map)
        .note(area.place(Note::Results, 2))
        .call(libc::SYS_membarrier, &[register.into(), 0.into(), 0.into()]);
    slots::unprotect(remote, area, errand, slots, 3)?;
    let number = area.result(remote, 0, "make a memory file")?;
    area.result(remote, 1, "give a memory file its size")?;
    let mapped = area.result(remote, 2, "map a memory file")?;
    area.leave(remote, Note::Region, 0, mapped)?;
    area.leave(remote, Note::RegionBytes, 0, room.max(bytes))?;
    let pid = remote.pid();
    let path = format!("/proc/{pid}/fd/{number}");
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(|error| {
        Error::refused(format!(
            "a memory file of process {pid} cannot be opened: {error}"
        ))
    })?;
    Ok((file, number))
}

/// Gives the region's pages back. Its addresses stay mapped, to nothing: a thread that has
/// been on its way out of a hook for long may still mark there that it leaves.
///
/// # Errors
/// [`Error::Refused`] where no thread could be borrowed, or the process has ended.
pub(crate) fn free(remote: &Remote, area: &mut Area) -> Result<(), Error> {
    let address = area.note(remote, Note::Region, 0)?;
    let bytes = area.note(remote, Note::RegionBytes, 0)?;
    if bytes == 0 {
        return Ok(());
    }
    let rights = (libc::PROT_READ | libc::PROT_WRITE) as u64;
    let nothing = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
    let arguments = [address, bytes, rights, nothing as u64, u64::MAX, 0].map(Value::Is);
    area.run(remote, Errand::new().call(libc::SYS_mmap, &arguments))
}

/// Files of regions that are still open there: who had them made was killed right then.
pub(crate) fn left(pid: u32) -> Vec<u64> {
    let link = format!("/memfd:{NAME} (deleted)");
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd"));
    let ours = entries.into_iter().flatten().flatten().filter(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == link.as_str())
    });
    let numbers = ours.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.collect()
}

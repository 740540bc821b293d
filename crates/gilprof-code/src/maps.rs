//! What a process has mapped.

use std::io;
use std::ops::Range;

/// A line of `/proc/PID/maps`: a range of addresses of a process, and what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mapping {
    /// The addresses.
    pub range: Range<u64>,
    /// Whether the process may write there now.
    pub writable: bool,
    /// Whether it may run what is there.
    pub executable: bool,
    /// Where in the file it begins.
    pub offset: u64,
    /// The file's device, major and minor number, and its inode; zeros where it is of none.
    pub file: (u32, u32, u64),
    /// The file as the process names it, which ends in ` (deleted)` where it is no more; or
    /// a name in brackets; or nothing.
    pub path: String,
}

impl Mapping {
    /// All of a process, by their addresses; none of a thread of the kernel's.
    ///
    /// # Errors
    /// What the system says, where there is no such process or it may not be looked at.
    pub fn all(pid: u32) -> io::Result<Vec<Self>> {
        let maps = std::fs::read(format!("/proc/{pid}/maps"))?;
        Ok(Self::read_all(&String::from_utf8_lossy(&maps)))
    }

    /// All in a text of this form; lines of another form are left out.
    pub fn read_all(maps: &str) -> Vec<Self> {
        maps.lines().filter_map(Self::read).collect()
    }

    fn read(line: &str) -> Option<Self> {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let permissions = fields.next()?.as_bytes();
        let offset = fields.next()?;
        let (major, minor) = fields.next()?.split_once(':')?;
        let inode = fields.next()?.parse().ok()?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let device = |text| u32::from_str_radix(text, 16).ok();
        Some(Mapping {
            range: number(start)?..number(end)?,
            writable: permissions.get(1) == Some(&b'w'),
            executable: permissions.get(2) == Some(&b'x'),
            offset: number(offset)?,
            file: (device(major)?, device(minor)?, inode),
            path: fields.next().unwrap_or_default().trim_start().into(),
        })
    }

    /// Whether a file is mapped, and not memory with a name.
    pub fn is_of_file(&self) -> bool {
        self.path.starts_with('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_addresses_permissions_file_and_place() {
        let line =
            "7f8c29601000-7f8c29757000 r-xp 00026000 fe:10 326279    /opt/my libs/l.so (deleted)";
        assert_eq!(
            Mapping::read_all(line),
            [Mapping {
                range: 0x7f8c_2960_1000..0x7f8c_2975_7000,
                writable: false,
                executable: true,
                offset: 0x26000,
                file: (0xfe, 0x10, 326_279),
                path: "/opt/my libs/l.so (deleted)".into(),
            }]
        );
    }

    #[test]
    fn memory_without_a_file_is_known_as_such() {
        let maps = "7f8c29760000-7f8c29761000 rw-p 00000000 00:00 0 \n\
            7ffcb2c00000-7ffcb2c02000 r-xp 00000000 00:00 0                          [vdso]\n";
        let all = Mapping::read_all(maps);
        assert_eq!(all.len(), 2);
        assert!(all[0].writable && all[0].path.is_empty());
        assert!(!all.iter().any(Mapping::is_of_file));
    }

    #[test]
    fn what_is_no_line_of_it_is_left_out() {
        assert_eq!(Mapping::read_all("\nnonsense\n1-2 r\n"), []);
    }

    #[test]
    fn this_test_lies_in_a_file_that_is_mapped() {
        let here = this_test_lies_in_a_file_that_is_mapped as fn() as usize as u64;
        let all = Mapping::all(std::process::id()).unwrap();
        let around = all.iter().find(|mapping| mapping.range.contains(&here));
        assert!(around.is_some_and(|mapping| mapping.executable && mapping.is_of_file()));
    }
}

//! The files of which a process has mapped code.

use std::ops::Range;

use gilprof_code::Mapping;

/// A file of which code is mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// The file, as the process names it.
    pub(crate) path: String,
    /// From its beginning to the end of what is mapped of it.
    pub(crate) range: Range<u64>,
}

/// Those of the process, by their addresses, and where it has code that is in no file;
/// none where the system does not tell.
pub(crate) fn of(pid: u32) -> (Vec<Image>, Vec<Range<u64>>) {
    let mappings = Mapping::all(pid).unwrap_or_default();
    (images(&mappings), generated(&mappings))
}

/// Where code was made while the program ran: by a JIT compiler, or for calls back.
fn generated(mappings: &[Mapping]) -> Vec<Range<u64>> {
    let made = |mapping: &&Mapping| mapping.executable && mapping.path.is_empty();
    let made = mappings.iter().filter(made);
    made.map(|mapping| mapping.range.clone()).collect()
}

fn images(mappings: &[Mapping]) -> Vec<Image> {
    let mut images: Vec<(Image, bool)> = Vec::new();
    for mapping in mappings.iter().filter(|mapping| mapping.is_of_file()) {
        match images.last_mut() {
            Some((image, code)) if mapping.offset != 0 && image.path == mapping.path => {
                image.range.end = mapping.range.end;
                *code |= mapping.executable;
            }
            _ if mapping.offset == 0 => {
                let image = Image {
                    path: mapping.path.clone(),
                    range: mapping.range.clone(),
                };
                images.push((image, mapping.executable));
            }
            _ => (),
        }
    }
    let with_code = images.into_iter().filter(|(_, code)| *code);
    with_code.map(|(image, _)| image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55f8f5041000-55f8f5043000 r--p 00000000 fe:00 247030                     /usr/bin/cat
55f8f5043000-55f8f5048000 r-xp 00002000 fe:00 247030                     /usr/bin/cat
55f8f504c000-55f8f504d000 rw-p 0000a000 fe:00 247030                     /usr/bin/cat
55f8fb21f000-55f8fb240000 rw-p 00000000 00:00 0                          [heap]
7f8c29578000-7f8c295cf000 r--p 00000000 fe:00 316534                     /usr/share/no code
7f8c295db000-7f8c29601000 r--p 00000000 fe:00 326279                     /opt/my libs/libc.so.6
7f8c29601000-7f8c29757000 r-xp 00026000 fe:00 326279                     /opt/my libs/libc.so.6
7f8c29760000-7f8c29761000 rw-p 00000000 00:00 0 
7f8c29761000-7f8c29762000 rw-p 00040000 fe:00 326279                     /opt/my libs/libc.so.6
7f8c29800000-7f8c29810000 r-xp 00000000 00:00 0 
7ffcb2c00000-7ffcb2c02000 r-xp 00000000 00:00 0                          [vdso]
";

    #[test]
    fn an_image_reaches_over_all_that_is_mapped_of_its_file() {
        let image = |path: &str, range| Image {
            path: path.into(),
            range,
        };
        assert_eq!(
            images(&Mapping::read_all(MAPS)),
            [
                image("/usr/bin/cat", 0x55f8_f504_1000..0x55f8_f504_d000),
                image("/opt/my libs/libc.so.6", 0x7f8c_295d_b000..0x7f8c_2976_2000),
            ]
        );
    }

    #[test]
    fn code_in_no_file_was_made_by_the_program() {
        let code = generated(&Mapping::read_all(MAPS));
        assert_eq!(code.len(), 1);
        assert_eq!(code[0], 0x7f8c_2980_0000..0x7f8c_2981_0000);
    }

    #[test]
    fn this_program_is_among_its_own_images() {
        let here = this_program_is_among_its_own_images as fn() as usize as u64;
        let (images, _) = of(std::process::id());
        assert!(images.iter().any(|image| image.range.contains(&here)));
        assert!(images.is_sorted_by_key(|image| image.range.start));
    }
}

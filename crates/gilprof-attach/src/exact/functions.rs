//! Where a process has the functions of libc that the payload calls.

use crate::elf::SymbolKind;
use crate::error::Error;
use crate::modules::{Module, Modules};

/// The modules of a process that may be or belong to its libc, the likeliest first.
#[derive(Debug)]
pub(crate) struct Functions<'m> {
    modules: Vec<&'m Module>,
}

impl<'m> Functions<'m> {
    /// Those of this process. Another module may export the same names (a preloaded one):
    /// then what the interpreter calls is not libc's, which is seen at its slots.
    pub(crate) fn of(modules: &'m Modules) -> Self {
        let mut modules: Vec<_> = modules.all().iter().collect();
        modules.sort_by_key(|module| rank(module.path()));
        modules.retain(|module| rank(module.path()) < STRANGER);
        Functions { modules }
    }

    /// The address of a function.
    ///
    /// # Errors
    /// [`Error::Refused`] where libc does not export it.
    pub(crate) fn address(&self, name: &str) -> Result<u64, Error> {
        let found = self.modules.iter().find_map(|module| module.symbol(name));
        match found {
            Some(symbol) if symbol.kind == SymbolKind::Function => Ok(symbol.address),
            Some(_) => Err(missing(name, "exports no plain function")),
            None => Err(missing(name, "does not export")),
        }
    }
}

fn missing(name: &str, how: &str) -> Error {
    Error::refused(format!(
        "the libc of the process {how} {name}; glibc from 2.28 on and musl are supported"
    ))
}

const STRANGER: usize = 3;

/// Before 2.34, glibc had the functions of threads in a library of their own.
fn rank(path: &str) -> usize {
    let file = path.rsplit('/').next().unwrap_or(path);
    let starts = [
        &["libpthread"][..],
        &["libc.so", "libc-2"],
        &["ld-musl", "libc.musl"],
    ];
    let known = starts
        .iter()
        .position(|names| names.iter().any(|name| file.starts_with(name)));
    known.unwrap_or(STRANGER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_of_this_process_are_where_it_calls_them() {
        let modules = Modules::of(std::process::id()).unwrap();
        let functions = Functions::of(&modules);
        let signal = libc::pthread_cond_signal as *const () as usize as u64;
        assert_eq!(functions.address("pthread_cond_signal").unwrap(), signal);
        let refused = functions.address("no_such_function").unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("does not export no_such_function")
        );
    }

    #[test]
    fn libc_is_known_by_its_name() {
        for path in [
            "/lib/libc.so.6",
            "/lib/libc-2.31.so",
            "/lib/ld-musl-x86_64.so.1",
        ] {
            assert!(rank(path) < STRANGER, "{path}");
        }
        assert_eq!(rank("/lib/libcrypt.so.1"), STRANGER);
        assert!(rank("/lib/libpthread-2.31.so") < rank("/lib/libc-2.31.so"));
    }
}

//! What program a process runs.

/// A longer name is cut off.
const LONGEST: usize = 64;

/// The name of the program that a process runs: of a script or module, where Python runs
/// one, as in `gunicorn` or `-m celery`, else of the executable. Arguments are left out:
/// they may be secret. `None` where the process has ended or nothing is known.
pub fn program(pid: u32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let line = String::from_utf8_lossy(&line);
    let arguments: Vec<&str> = line.trim_end_matches('\0').split('\0').collect();
    name(&arguments)
}

fn name(arguments: &[&str]) -> Option<String> {
    let (&executable, arguments) = arguments.split_first()?;
    // A program that names itself, as servers do with their workers, leaves one string.
    let own = arguments.is_empty() && executable.contains(' ');
    let name = match own {
        true => executable.into(),
        false => script(executable, arguments).unwrap_or_else(|| base(executable).into()),
    };
    let name: String = name.chars().take(LONGEST).collect();
    Some(name).filter(|name| !name.is_empty())
}

/// What a Python runs; `None` where it is none, or nothing is named.
fn script(executable: &str, arguments: &[&str]) -> Option<String> {
    if !base(executable).starts_with("python") {
        return None;
    }
    let mut arguments = arguments.iter();
    while let Some(&argument) = arguments.next() {
        match argument {
            "-m" => return Some(format!("-m {}", arguments.next()?)),
            "-c" => return Some(String::from("-c")),
            // These have a value of their own.
            "-W" | "-X" | "--check-hash-based-pycs" => drop(arguments.next()),
            option if option.starts_with('-') && option != "-" => (),
            script => return Some(base(script).into()),
        }
    }
    None
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_named_and_its_arguments_are_not() {
        let line = [
            "/usr/bin/python3.11",
            "-u",
            "/srv/app/bin/gunicorn",
            "--key=secret",
        ];
        assert_eq!(name(&line).as_deref(), Some("gunicorn"));
        let line = ["python", "-X", "dev", "-Wd", "-m", "celery", "worker"];
        assert_eq!(name(&line).as_deref(), Some("-m celery"));
        assert_eq!(name(&["python3", "-c", "secret"]).as_deref(), Some("-c"));
    }

    #[test]
    fn an_executable_that_is_no_python_is_named_itself() {
        assert_eq!(
            name(&["/usr/sbin/apache2", "-k", "start"]).as_deref(),
            Some("apache2")
        );
        assert_eq!(name(&["python3"]).as_deref(), Some("python3"));
    }

    #[test]
    fn a_name_that_a_program_gives_itself_is_kept() {
        let worker = "gunicorn: worker [/srv/app]";
        assert_eq!(name(&[worker]).as_deref(), Some(worker));
        assert_eq!(name(&[""]), None);
        assert_eq!(name(&[]), None);
    }

    #[test]
    fn this_process_has_a_program() {
        assert!(program(std::process::id()).is_some_and(|name| !name.is_empty()));
        assert_eq!(program(u32::MAX), None);
    }
}

//! What threads and GILs are called in a report.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use gilprof::Profile;
use gilprof::core::Thread;

use crate::number::count;

/// A name for each thread, unlike that of any other.
#[derive(Debug)]
pub(crate) struct Labels(HashMap<u64, String>);

impl Labels {
    pub(crate) fn of(profile: &Profile) -> Self {
        let threads = profile.threads();
        let many_processes = threads.iter().any(|thread| thread.pid != threads[0].pid);
        let plain = |thread: &Thread| match many_processes {
            true => format!("{}/{}", thread.pid, name(thread)),
            false => name(thread),
        };
        let mut uses: HashMap<String, usize> = HashMap::new();
        for thread in threads {
            *uses.entry(plain(thread)).or_default() += 1;
        }
        let labels = threads.iter().map(|thread| {
            let label = plain(thread);
            match uses.get(&label) {
                Some(2..) => (thread.id, format!("{label} #{}", thread.id)),
                _ => (thread.id, label),
            }
        });
        Labels(labels.collect())
    }

    /// The name of the thread `id`.
    pub(crate) fn thread(&self, id: u64) -> String {
        let known = self.0.get(&id).cloned();
        known.unwrap_or_else(|| format!("thread #{id}"))
    }

    /// The thread with the most of something, and how many others have some too.
    pub(crate) fn most_of(&self, parts: &BTreeMap<u64, u64>) -> String {
        let most = parts.iter().max_by_key(|&(id, ns)| (ns, Reverse(id)));
        let first = most.map(|(&id, _)| self.thread(id)).unwrap_or_default();
        match parts.len() {
            2.. => format!("{first} +{}", count(parts.len() as u64 - 1)),
            _ => first,
        }
    }
}

fn name(thread: &Thread) -> String {
    let name = match (thread.name.is_empty(), thread.members) {
        (true, 2..) => String::from("(nameless)"),
        (true, _) => format!("thread #{}", thread.id),
        (false, _) => harmless(&thread.name),
    };
    match thread.members {
        2.. => format!("{name} ×{}", thread.members),
        _ => name,
    }
}

/// Names come from the program: they must not move the cursor, nor turn the
/// direction of writing.
pub(crate) fn harmless(name: &str) -> String {
    name.chars().map(harmless_character).collect()
}

fn harmless_character(character: char) -> char {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if character.is_control() || turns || matches!(character, '\u{2028}' | '\u{2029}') {
        return '?';
    }
    character
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{profile_of, thread};

    fn labels(threads: Vec<Thread>) -> Vec<String> {
        let profile = profile_of(threads);
        let labels = Labels::of(&profile);
        let threads = profile.threads().iter();
        threads.map(|thread| labels.thread(thread.id)).collect()
    }

    #[test]
    fn equal_names_are_told_apart() {
        let threads = vec![thread(1, "main"), thread(2, "worker"), thread(3, "worker")];
        assert_eq!(labels(threads), ["main", "worker #2", "worker #3"]);
    }

    #[test]
    fn threads_of_several_processes_bear_theirs() {
        let mut other = thread(2, "main");
        other.pid = 99;
        assert_eq!(
            labels(vec![thread(1, "main"), other]),
            ["42/main", "99/main"]
        );
    }

    #[test]
    fn a_group_says_how_many_it_stands_for() {
        let mut group = thread(7, "Thread-* (f)");
        group.members = 200;
        assert_eq!(labels(vec![group]), ["Thread-* (f) ×200"]);
    }

    #[test]
    fn a_nameless_thread_bears_its_number() {
        assert_eq!(labels(vec![thread(5, "")]), ["thread #5"]);
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(labels(vec![thread(1, "a\x1b[31m\nb")]), ["a?[31m?b"]);
    }
}

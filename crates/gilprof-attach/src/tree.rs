//! A process and those it has started.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::process::Process;

/// A process and all that it, and they, have started, looked at again and again.
///
/// A process whose parent ends is given to another one by the kernel. Once it was seen in
/// the tree, it stays in it until it ends.
#[derive(Debug)]
pub struct Tree {
    root: u32,
    /// The root as it was seen first: its id may be used again.
    first: Option<Process>,
    members: BTreeMap<u32, Process>,
}

/// What has become of a tree since it was looked at before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The processes that were not in it: at the first look all, the root among them. One
    /// that runs another program than before is new, too.
    pub started: Vec<Process>,
    /// Those that are no more, or run another program now.
    pub ended: Vec<Process>,
}

impl Tree {
    /// The tree below this process, at which nobody has looked yet.
    pub fn of(root: u32) -> Self {
        Tree {
            root,
            first: None,
            members: BTreeMap::new(),
        }
    }

    /// The process that it is the tree of.
    pub fn root(&self) -> u32 {
        self.root
    }

    /// Whether there was nobody in it at the last look.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Looks at the tree.
    ///
    /// # Errors
    /// What the system says, where `/proc` cannot be listed.
    pub fn look(&mut self) -> io::Result<Changes> {
        let all = Process::all()?.into_iter();
        Ok(self.update(all.filter_map(|pid| Process::of(pid).ok())))
    }

    fn update(&mut self, all: impl Iterator<Item = Process>) -> Changes {
        // One that has ended is still listed until its parent takes note of it.
        let all: Vec<Process> = all.filter(|process| !process.is_ended()).collect();
        let is_root = |process: &Process| {
            let first = self.first.as_ref();
            process.pid() == self.root && first.is_none_or(|first| first.started_with(process))
        };
        let known = |process: &&Process| {
            let before = self.members.get(&process.pid());
            is_root(process) || before.is_some_and(|before| before.started_with(process))
        };
        let mut inside: BTreeSet<u32> = all.iter().filter(known).map(Process::pid).collect();
        let mut before = usize::MAX;
        while before != inside.len() {
            before = inside.len();
            let children = all
                .iter()
                .filter(|process| inside.contains(&process.parent()));
            let children: Vec<u32> = children.map(Process::pid).collect();
            inside.extend(children);
        }
        let now = all
            .into_iter()
            .filter(|process| inside.contains(&process.pid()));
        let now: BTreeMap<u32, Process> = now.map(|process| (process.pid(), process)).collect();
        self.first = self.first.take().or_else(|| now.get(&self.root).cloned());
        self.replace(now)
    }

    fn replace(&mut self, now: BTreeMap<u32, Process>) -> Changes {
        let old = std::mem::replace(&mut self.members, now);
        let stays = |one: &BTreeMap<u32, Process>, process: &Process| {
            one.get(&process.pid())
                .is_some_and(|other| other.runs_the_same(process))
        };
        let missing = |from: &BTreeMap<u32, Process>, of: &BTreeMap<u32, Process>| {
            of.values()
                .filter(|process| !stays(from, process))
                .cloned()
                .collect()
        };
        Changes {
            started: missing(&old, &self.members),
            ended: missing(&self.members, &old),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process with this id, parent, start and program.
    fn process(pid: u32, parent: u32, started: u64, program: u64) -> Process {
        Process::sample(pid, parent, started, program)
    }

    fn pids(all: &[Process]) -> Vec<u32> {
        all.iter().map(Process::pid).collect()
    }

    fn look(tree: &mut Tree, all: &[Process]) -> (Vec<u32>, Vec<u32>) {
        let changes = tree.update(all.iter().cloned());
        (pids(&changes.started), pids(&changes.ended))
    }

    #[test]
    fn a_tree_is_a_process_and_all_below_it() {
        let all = [
            process(1, 0, 0, 0),
            process(10, 1, 1, 1),
            process(12, 11, 3, 3),
            process(11, 10, 2, 2),
            process(20, 1, 1, 1),
        ];
        assert_eq!(look(&mut Tree::of(10), &all), (vec![10, 11, 12], vec![]));
    }

    #[test]
    fn only_what_has_changed_is_told_again() {
        let mut tree = Tree::of(10);
        let (root, child) = (process(10, 1, 1, 1), process(11, 10, 2, 2));
        look(&mut tree, &[root.clone(), child.clone()]);
        assert_eq!(look(&mut tree, &[root.clone(), child]), (vec![], vec![]));
        let next = process(12, 10, 5, 5);
        assert_eq!(look(&mut tree, &[root, next]), (vec![12], vec![11]));
    }

    #[test]
    fn an_orphan_stays_in_the_tree_that_it_was_seen_in() {
        let mut tree = Tree::of(10);
        let grandchild = process(12, 11, 3, 3);
        look(
            &mut tree,
            &[process(10, 1, 1, 1), process(11, 10, 2, 2), grandchild],
        );
        let adopted = process(12, 1, 3, 3);
        assert_eq!(
            look(&mut tree, &[process(10, 1, 1, 1), adopted]),
            (vec![], vec![11])
        );
    }

    #[test]
    fn an_id_that_is_used_again_is_another_process() {
        let mut tree = Tree::of(10);
        let root = process(10, 1, 1, 1);
        look(&mut tree, &[root.clone(), process(11, 10, 2, 2)]);
        let elsewhere = process(11, 1, 9, 9);
        assert_eq!(look(&mut tree, &[root, elsewhere]), (vec![], vec![11]));
    }

    #[test]
    fn the_id_of_the_root_is_not_taken_for_it_once_it_has_ended() {
        let mut tree = Tree::of(10);
        look(&mut tree, &[process(10, 1, 1, 1)]);
        assert_eq!(look(&mut tree, &[]), (vec![], vec![10]));
        assert_eq!(look(&mut tree, &[process(10, 1, 7, 7)]), (vec![], vec![]));
    }

    #[test]
    fn a_process_that_runs_another_program_has_ended_and_started() {
        let mut tree = Tree::of(10);
        look(&mut tree, &[process(10, 1, 1, 1)]);
        assert_eq!(
            look(&mut tree, &[process(10, 1, 1, 2)]),
            (vec![10], vec![10])
        );
    }

    #[test]
    fn a_child_of_this_process_is_seen() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut tree = Tree::of(std::process::id());
        let seen = tree.look().unwrap().started;
        assert!(pids(&seen).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(pids(&tree.look().unwrap().ended).contains(&child.id()));
    }
}

//! Which native functions the time of sites went to.

use std::collections::BTreeMap;

use crate::blocked::Blocked;
use crate::frame::Frame;
use crate::profile::Profile;
use crate::site::Site;

/// How many functions are told where no one has most of the time.
const SEVERAL: usize = 2;

impl Profile {
    /// The innermost native function of a site that has a name; `None` where none is
    /// known, or there was none.
    pub fn native_function(&self, site: &Site) -> Option<&Frame> {
        let functions = site.native.iter();
        let mut functions = functions.filter_map(|&index| self.frames().get(index as usize));
        functions.find(|frame| frame.is_named())
    }

    /// The system call that a thread was blocked in, and the function of the library that
    /// made it, by its outermost name: `usleep (clock_nanosleep)`.
    pub fn blocking_call(&self, row: &Blocked) -> String {
        let frames: Vec<&Frame> = self.frames_at(&row.native).collect();
        let library = frames
            .iter()
            .take_while(|frame| frame.file == frames[0].file);
        let named = library.filter(|frame| frame.is_named()).last();
        match named.filter(|frame| frame.function != row.call) {
            Some(frame) => format!("{} ({})", frame.function, row.call),
            None => row.call.clone(),
        }
    }

    /// The native functions that time of some sites went to, with the part of the time
    /// in ns that was seen in each and in what it called.
    ///
    /// That is one where two thirds of the time in native functions were in it, and of
    /// several such ones the innermost: `list_sort`, not what it calls now and then.
    /// Else the two that most of the time was in directly. None where most of the time
    /// was in no native function or it is not known in which.
    pub fn native_functions<'p>(&'p self, sites: &[&'p Site]) -> Vec<(&'p Frame, u64)> {
        let sum = |sites: &mut dyn Iterator<Item = &&Site>| -> u64 {
            sites.fold(0, |sum, site| sum.saturating_add(site.weight_ns))
        };
        let all_ns = sum(&mut sites.iter());
        let native_ns = sum(&mut sites.iter().filter(|site| !site.native.is_empty()));
        if native_ns == 0 || native_ns < all_ns / 2 {
            return Vec::new();
        }
        match self.shared(sites, native_ns) {
            Some(shared) => vec![shared],
            None => self.direct(sites),
        }
    }

    /// The innermost function that two thirds of the time were in.
    fn shared<'p>(&'p self, sites: &[&'p Site], native_ns: u64) -> Option<(&'p Frame, u64)> {
        let mut within: BTreeMap<u32, (u64, usize)> = BTreeMap::new();
        for site in sites {
            let mut counted = Vec::new();
            for (depth, &index) in site.native.iter().enumerate() {
                // A recursion is in its function once.
                if !counted.contains(&index) {
                    counted.push(index);
                    let (ns, deepest) = within.entry(index).or_default();
                    *ns = ns.saturating_add(site.weight_ns);
                    *deepest = depth.max(*deepest);
                }
            }
        }
        let frame = |index: u32| self.frames().get(index as usize);
        let most = within
            .into_iter()
            .filter(|(_, (ns, _))| *ns >= native_ns - native_ns / 3)
            .filter_map(|(index, (ns, depth))| Some((frame(index)?, ns, depth)))
            .filter(|(frame, ..)| frame.is_named());
        let innermost = most.min_by_key(|(_, _, depth)| *depth);
        innermost.map(|(frame, ns, _)| (frame, ns))
    }

    /// The functions that most of the time was in directly.
    fn direct<'p>(&'p self, sites: &[&'p Site]) -> Vec<(&'p Frame, u64)> {
        let mut direct: BTreeMap<&Frame, u64> = BTreeMap::new();
        for site in sites {
            if let Some(frame) = self.native_function(site) {
                let ns = direct.entry(frame).or_default();
                *ns = ns.saturating_add(site.weight_ns);
            }
        }
        let mut direct: Vec<(&Frame, u64)> = direct.into_iter().collect();
        direct.sort_by_key(|(_, ns)| std::cmp::Reverse(*ns));
        direct.truncate(SEVERAL);
        direct
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ProfileParts;
    use crate::thread::Thread;

    /// A profile with a site for each stack of native functions.
    fn profile(stacks: &[(&[u32], u64)]) -> Profile {
        let names = ["compare", "sort", "call", "copy"];
        let named = names.map(|name| Frame::of_native(Some(name.into()), "libpython"));
        let nameless = Frame::of_native(None, "libc.so.6");
        let site = |(stack, weight_ns): &(&[u32], u64)| Site {
            thread: 1,
            native: stack.to_vec(),
            weight_ns: *weight_ns,
            samples: 1,
            ..Site::default()
        };
        Profile::assemble(ProfileParts {
            threads: vec![Thread {
                id: 1,
                ..Thread::default()
            }],
            frames: named.into_iter().chain([nameless]).collect(),
            sites: stacks.iter().map(site).collect(),
            ..ProfileParts::default()
        })
    }

    fn told(stacks: &[(&[u32], u64)]) -> Vec<(String, u64)> {
        let profile = profile(stacks);
        let sites: Vec<&Site> = profile.sites().iter().collect();
        let told = profile.native_functions(&sites).into_iter();
        told.map(|(frame, ns)| (frame.function.clone(), ns))
            .collect()
    }

    #[test]
    fn the_innermost_that_most_of_the_time_was_in_is_told() {
        let stacks: [(&[u32], u64); 3] = [(&[0, 1, 2], 50), (&[1, 2], 40), (&[2], 10)];
        assert_eq!(told(&stacks), [("sort".into(), 90)]);
    }

    #[test]
    fn where_no_one_has_most_those_are_told_that_had_it_directly() {
        let stacks: [(&[u32], u64); 3] = [(&[0], 50), (&[4, 3], 40), (&[2], 10)];
        assert_eq!(told(&stacks), [("compare".into(), 50), ("copy".into(), 40)]);
    }

    #[test]
    fn python_code_or_what_is_not_known_has_none() {
        assert!(told(&[(&[], 60), (&[1], 40)]).is_empty());
        assert!(told(&[]).is_empty());
    }

    #[test]
    fn a_recursion_counts_once() {
        assert_eq!(told(&[(&[1, 0, 1, 0], 70)]), [("sort".into(), 70)]);
    }
}

//! What the host of a virtual machine keeps from it while a recording runs.

/// CPU time that the host kept, from an instant on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stolen {
    then_ns: Option<u64>,
}

impl Stolen {
    /// From now on.
    pub(crate) fn new() -> Self {
        Stolen {
            then_ns: gilprof_os::stolen_ns(),
        }
    }

    /// As far as it is known.
    pub(crate) fn since_then_ns(self) -> Option<u64> {
        let (now_ns, then_ns) = (gilprof_os::stolen_ns()?, self.then_ns?);
        Some(now_ns.saturating_sub(then_ns))
    }
}

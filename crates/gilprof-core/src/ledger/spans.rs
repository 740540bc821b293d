//! Single holds and waits, listed.

use crate::hold::Hold;
use crate::wait::Wait;

/// The holds and the waits that have ended, in the order of their ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans {
    pub(crate) holds: Vec<Hold>,
    pub(crate) waits: Vec<Wait>,
}

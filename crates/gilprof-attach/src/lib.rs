//! Seeing into a Python that runs already: which processes there are, whether they may
//! be looked at, and recording one from outside.

mod error;

pub use error::Error;

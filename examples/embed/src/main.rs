//! A Rust program with a Python in it: do the Python threads that it runs get
//! into each other's way?
//!
//! `cargo run -p gilprof-embed`, with `PYO3_PYTHON` naming the Python to link to.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Duration;

use pyo3::prelude::*;

/// What the embedded Python is to do.
const PROGRAM: &std::ffi::CStr = c"
import threading, time

def count(end):
    while time.monotonic() < end:
        sum(range(1_000))

threads = [
    threading.Thread(target=count, args=(time.monotonic() + 1,), name=f'counter-{number}')
    for number in (1, 2)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
";

fn main() -> Result<(), Box<dyn Error>> {
    Python::initialize();
    let session = gilprof::Profiler::builder().start()?;
    let windows = session.windows(Duration::from_millis(250))?;

    Python::attach(|py| py.run(PROGRAM, None, None))?;

    let profile = session.stop()?;
    for window in windows {
        let (waiting, wall) = (window.profile().waiting_ns(), window.profile().wall_ns());
        println!(
            "from {:4} ms: on average {:.2} threads waited",
            window.from_ns() / 1_000_000,
            waiting as f64 / wall as f64
        );
    }
    println!("{}", profile.verdict().sentence);
    Ok(())
}

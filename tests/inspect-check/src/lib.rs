//! What gilprof learns of an interpreter, for `check.py`, which compares what the probe
//! finds inside of it with what is found from outside. Loaded with `ctypes.CDLL`, which
//! calls it without the GIL.

use std::fmt::Write;
use std::slice;
use std::time::Instant;

use gilprof_attach::{Interpreter, Modules};
use gilprof_probe::{Python, Setup};
use gilprof_region::{Clock, Region, Sizes};

/// The version in one word, the address of the main GIL, the layout of frames, and the
/// layout of code objects.
const WORDS: usize = 1 + 1 + 9 + 18;

/// Puts as much of a text as fits into `into`, and a zero behind it.
fn put(text: &str, into: &mut [u8]) {
    let size = text.len().min(into.len().saturating_sub(1));
    into[..size].copy_from_slice(&text.as_bytes()[..size]);
    if let Some(end) = into.get_mut(size) {
        *end = 0;
    }
}

fn joined(version: [u8; 3], gil: u64, frames: [u64; 9], codes: [u64; 18]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    words[0] = version
        .iter()
        .fold(0, |word, &part| word << 8 | u64::from(part));
    words[1] = gil;
    words[2..11].copy_from_slice(&frames);
    words[11..].copy_from_slice(&codes);
    words
}

/// Records for a moment, in this process, and says what it wrote into its region.
fn learn_inside() -> Result<[u64; WORDS], String> {
    let python = Python::find().map_err(|why| why.to_string())?;
    let region = Region::private(Sizes::default()).map_err(|why| why.to_string())?;
    // Hooks may return into it for as long as the process lives.
    let region: &'static Region = Box::leak(Box::new(region));
    let setup = Setup {
        region,
        clock: Clock::monotonic(),
        shared: false,
        stack_every_ns: 1_000_000,
        threads: &[],
    };
    gilprof_probe::start(&python, &setup).map_err(|why| why.to_string())?;
    gilprof_probe::stop().map_err(|why| why.to_string())?;
    let plan = region.stack_plan().ok_or("it takes no stacks")?;
    Ok(joined(
        region.recording().python,
        plan.gil_address,
        plan.frame_layout,
        plan.code_layout,
    ))
}

/// The same of another process, and in `text` a line each for interpreters, GILs, threads
/// and names; what is `n/a` leaves zeros.
fn learn_outside(pid: u32, text: &mut String) -> Result<[u64; WORDS], String> {
    let modules = Modules::of(pid).map_err(|why| why.to_string())?;
    let interpreter = Interpreter::of(pid, &modules).map_err(|why| why.to_string())?;
    let begin = Instant::now();
    let gils = interpreter.gils();
    let gils_us = begin.elapsed().as_micros();
    let codes = interpreter.code_layout();
    let codes_us = begin.elapsed().as_micros() - gils_us;
    let frames = interpreter.frame_layout();
    let frames_us = begin.elapsed().as_micros() - gils_us - codes_us;
    let names = interpreter.thread_names();
    let names_us = begin.elapsed().as_micros() - gils_us - codes_us - frames_us;
    let mut line = |kind: &str, what: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{kind} {what}");
    };
    line("us", format!("{gils_us} {codes_us} {frames_us} {names_us}"));
    for one in interpreter.interpreters().unwrap_or_default() {
        line("interpreter", one.id.to_string());
    }
    for one in gils.iter().flatten() {
        line("gil", one.interpreter_id.to_string());
    }
    for (state, native_id) in interpreter.threads().unwrap_or_default() {
        line(
            "thread",
            format!("{} {}", state.interpreter_id, native_id.unwrap_or(0)),
        );
    }
    for one in names.iter().flatten() {
        line("name", format!("{} {}", one.native_id, one.name));
    }
    let missing = [
        gils.as_ref().err(),
        codes.as_ref().err(),
        frames.as_ref().err(),
        names.as_ref().err(),
    ];
    for reason in missing.into_iter().flatten() {
        line("n/a", reason.clone());
    }
    Ok(joined(
        interpreter.version().unwrap_or_default(),
        gils.map_or(0, |gils| gils[0].cond),
        frames.map_or([0; 9], |layout| layout.to_words()),
        codes.map_or([0; 18], |layout| layout.to_words()),
    ))
}

/// What the probe learns in this process; false, with the reason in `text`, where it does
/// not start.
///
/// # Safety
/// `words` has room for 29, `text` for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inside(words: *mut u64, text: *mut u8, size: usize) -> bool {
    // SAFETY: the caller promises so much room.
    let words = unsafe { slice::from_raw_parts_mut(words, WORDS) };
    // SAFETY: the caller promises so much room.
    let text = unsafe { slice::from_raw_parts_mut(text, size) };
    answer(learn_inside(), words, text)
}

/// What is seen of the process `pid` from outside; false, with the reason in `text`, where
/// it is no Python.
///
/// # Safety
/// `words` has room for 29, `text` for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outside(pid: u32, words: *mut u64, text: *mut u8, size: usize) -> bool {
    // SAFETY: the caller promises so much room.
    let words = unsafe { slice::from_raw_parts_mut(words, WORDS) };
    // SAFETY: the caller promises so much room.
    let text = unsafe { slice::from_raw_parts_mut(text, size) };
    let mut lines = String::new();
    let learned = learn_outside(pid, &mut lines);
    put(&lines, text);
    answer(learned, words, text)
}

fn answer(learned: Result<[u64; WORDS], String>, words: &mut [u64], text: &mut [u8]) -> bool {
    match learned {
        Ok(learned) => {
            words.copy_from_slice(&learned);
            true
        }
        Err(why) => {
            put(&why, text);
            false
        }
    }
}

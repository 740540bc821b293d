//! Learning where frames are, from a stack that is known.
//!
//! `PyEval_GetFrame` says what is on this thread's stack. The thread state is
//! searched for a chain of frames that have these code objects, and what was
//! found is proved by walking the whole stack with it. Memory is only read in
//! ways that cannot fault. No Python code runs for it, unless the thread that
//! starts has less than three frames: then three functions call each other, and
//! the last one a function of ours.

use std::ffi::c_void;
use std::sync::Mutex;

use gilprof_code::{FrameAt, FrameLayout, Instruction, ProcessMemory};

use crate::object::{MethodDef, Object, Objects};
use crate::process::words;
use crate::python::{Attached, Python};

/// Three functions that differ in what comes before their call.
const SOURCE: &std::ffi::CStr = c"
def outer():
    first = 1
    second = first
    third = second
    return middle()

def middle():
    first = 1
    return inner()

def inner():
    return look()
";

/// How far a thread state, a frame, and what stands between them are searched.
const STATE_WORDS: usize = 96;
const FRAME_WORDS: usize = 24;
const BETWEEN_WORDS: usize = 4;
/// No stack is walked further.
const DEPTH: usize = 2_000;
/// How far instructions can begin into a code object.
const START: usize = 1_024;
const TAGS: usize = 7;

static FOUND: Mutex<Option<FrameLayout>> = Mutex::new(None);

static LOOK: MethodDef = MethodDef {
    name: c"look".as_ptr(),
    function: look,
    flags: 4,
    doc: std::ptr::null(),
};

/// The layout of this interpreter's frames, or why it could not be learned.
pub(crate) fn discover(attached: &Attached<'_>) -> Result<FrameLayout, String> {
    if words(std::ptr::from_ref(SOURCE).cast::<u8>() as usize & !7, 1).is_empty() {
        return Err("this process may not read its own memory: process_vm_readv is refused".into());
    }
    let objects = Objects::find(attached).map_err(|error| error.to_string())?;
    if objects.of_sys(c"gettotalrefcount").is_some() {
        return Err("a debug build of Python counts references in a way of its own".into());
    }
    if !count_comes_first(&objects) {
        return Err("the count of references is not where it is expected".into());
    }
    let found = look_around(&objects, attached.state());
    found
        .or_else(|| call_and_look(&objects))
        .ok_or_else(|| "the frames of a known stack were not found".into())
}

/// Learns from a stack made for it.
fn call_and_look(objects: &Objects<'_>) -> Option<FrameLayout> {
    let globals = objects.dict()?;
    globals.put(c"look", &objects.function(&LOOK)?)?;
    objects.run(SOURCE, c"<gilprof>", &globals)?;
    globals.entry(c"outer")?.call()?;
    FOUND.lock().ok()?.take()
}

/// An object's first word is its count of references.
fn count_comes_first(objects: &Objects<'_>) -> bool {
    let count = |dict: Object<'_>| words(dict.address() as usize, 1).first().copied();
    objects.dict().and_then(count) == Some(1)
}

/// Called by `inner`, with the GIL held.
unsafe extern "C" fn look(_module: *mut c_void, _none: *mut c_void) -> *mut c_void {
    look_and_return().unwrap_or(std::ptr::null_mut())
}

fn look_and_return() -> Option<*mut c_void> {
    let python = Python::find().ok()?;
    let attached = python.assume_attached();
    let objects = Objects::find(&attached).ok()?;
    *FOUND.lock().ok()? = look_around(&objects, attached.state());
    Some(objects.dict()?.into_raw())
}

fn look_around(objects: &Objects<'_>, state: usize) -> Option<FrameLayout> {
    let known = known_stack(objects);
    chains(state, &known)
        .into_iter()
        .flat_map(|chain| instructions(&chain, &known))
        .find_map(|layout| prove(layout, state, &known))
}

/// The stack as Python itself has it, the innermost frame first.
fn known_stack(objects: &Objects<'_>) -> Vec<FrameAt> {
    let mut known = Vec::new();
    let mut next = objects.frame();
    while let Some(frame) = next
        && known.len() < DEPTH
        && let Some(code) = frame.attribute(c"f_code")
    {
        let offset = frame.attribute(c"f_lasti").and_then(|last| last.number());
        known.push(FrameAt {
            code: code.address(),
            offset: offset.map_or(0, |offset| offset as u32),
        });
        next = frame.attribute(c"f_back");
    }
    known
}

/// Offsets that lead from the thread state through three known frames.
#[derive(Clone, Debug)]
struct Chain {
    current: usize,
    through: Option<usize>,
    previous: usize,
    code: usize,
    frames: [usize; 3],
}

fn chains(state: usize, known: &[FrameAt]) -> Vec<Chain> {
    let mut found = Vec::new();
    for (at, &word) in words(state, STATE_WORDS).iter().enumerate() {
        let direct = (None, word);
        let between = words(word, BETWEEN_WORDS);
        let indirect = between
            .iter()
            .enumerate()
            .map(|(i, &word)| (Some(i * 8), word));
        for (through, frame) in std::iter::once(direct).chain(indirect) {
            for (previous, code, frames) in links(frame, known) {
                found.push(Chain {
                    current: at * 8,
                    through,
                    previous,
                    code,
                    frames,
                });
            }
        }
    }
    found
}

/// The offsets of `previous` and `code` with which a frame is the innermost of
/// the known ones.
fn links(frame: usize, known: &[FrameAt]) -> Vec<(usize, usize, [usize; 3])> {
    let [first, second, third, ..] = known else {
        return Vec::new();
    };
    let has = |words: &[usize], at: usize, known: &FrameAt| {
        words
            .get(at)
            .is_some_and(|&word| (word & !TAGS) as u64 == known.code)
    };
    let mut found = Vec::new();
    let inner = words(frame, FRAME_WORDS);
    for code in (0..inner.len()).filter(|&at| has(&inner, at, first)) {
        for (previous, &next) in inner.iter().enumerate() {
            let middle = words(next, FRAME_WORDS);
            if !has(&middle, code, second) {
                continue;
            }
            let last = middle.get(previous).copied().unwrap_or(0);
            if has(&words(last, FRAME_WORDS), code, third) {
                found.push((previous * 8, code * 8, [frame, next, last]));
            }
        }
    }
    found
}

/// The layouts in which the place of the instruction fits all three frames.
fn instructions(chain: &Chain, known: &[FrameAt]) -> Vec<FrameLayout> {
    let code_type = words(known[0].code as usize, 2)
        .get(1)
        .copied()
        .unwrap_or(0);
    let frames = chain.frames.map(|frame| words(frame, FRAME_WORDS));
    let found = pointers(&frames, known)
        .into_iter()
        .chain(indices(&frames, known));
    let layout = |(instruction, kind): (usize, Instruction)| FrameLayout {
        current: chain.current as u32,
        through: chain.through.map(|offset| offset as u32),
        previous: chain.previous as u32,
        code: chain.code as u32,
        instruction: instruction as u32,
        kind,
        code_type: code_type as u64,
        shim: 0,
    };
    found.map(layout).collect()
}

/// Where all three frames have a pointer to their instruction, as far into their
/// code objects as there is room for a head of one size.
fn pointers(frames: &[Vec<usize>; 3], known: &[FrameAt]) -> Vec<(usize, Instruction)> {
    let start = |words: &[usize], known: &FrameAt, at: usize| {
        let into = words.get(at)?.checked_sub(known.code as usize)?;
        let start = into.checked_sub(known.offset as usize)?;
        (1..START).contains(&start).then_some(start)
    };
    let same = |at: usize| {
        let starts = frames
            .iter()
            .zip(known)
            .map(|(words, known)| start(words, known, at));
        let starts: Vec<usize> = starts.collect::<Option<_>>()?;
        let first = *starts.first()?;
        let kind = Instruction::Pointer {
            start: first as u32,
        };
        starts
            .iter()
            .all(|&start| start == first)
            .then_some((at * 8, kind))
    };
    (0..FRAME_WORDS).filter_map(same).collect()
}

/// Where all three frames have an `int` that counts up to their instruction.
fn indices(frames: &[Vec<usize>; 3], known: &[FrameAt]) -> Vec<(usize, Instruction)> {
    let half = |words: &[usize], at: usize| {
        let word = words.get(at / 8)?;
        Some((word >> (at % 8 * 8)) as u32)
    };
    let fits = |at: usize, unit: u32| {
        let mut all = frames.iter().zip(known);
        all.all(|(words, known)| half(words, at) == Some(known.offset / unit))
    };
    let places = [1, 2]
        .into_iter()
        .flat_map(|unit| (0..FRAME_WORDS * 8).step_by(4).map(move |at| (at, unit)));
    places
        .filter(|&(at, unit)| fits(at, unit))
        .map(|(at, unit)| (at, Instruction::Index { unit }))
        .collect()
}

/// Walks the whole stack: it must be the known one, but for frames that stand
/// for C, which have one code object in common or none.
fn prove(layout: FrameLayout, state: usize, known: &[FrameAt]) -> Option<FrameLayout> {
    let walked = |layout: &FrameLayout| {
        let limit = known.len() + DEPTH;
        layout.frames(&ProcessMemory::own(), state as u64, limit, |_| false)
    };
    let all = walked(&layout)?;
    // The first that is not known, if there is one, stands for C.
    let pairs = all
        .iter()
        .zip(known.iter().map(Some).chain(std::iter::repeat(None)));
    let stranger = pairs
        .into_iter()
        .find(|(found, known)| Some(found.code) != known.map(|known| known.code));
    let shim = stranger.map_or(0, |(found, _)| found.code);
    let proved = FrameLayout { shim, ..layout };
    let whole = walked(&proved)?;
    let same = whole.get(..known.len())? == known;
    // What is deeper than was asked for is not compared.
    (same && (whole.len() == known.len() || known.len() >= DEPTH)).then_some(proved)
}

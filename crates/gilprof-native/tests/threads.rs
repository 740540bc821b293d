//! What is said of threads of this process, beside what they do.

use std::ffi::c_int;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;

use gilprof_core::BlockedOn;
use gilprof_native::{Call, Native, Shot, on};

fn native_id() -> u32 {
    // SAFETY: the call has no preconditions.
    unsafe { libc::gettid() as u32 }
}

fn names(native: &Native, stack: &[u32]) -> Vec<String> {
    let frames = stack.iter().filter_map(|&number| native.frame(number));
    frames.map(|frame| frame.function.clone()).collect()
}

/// Blocks until somebody writes into the pipe.
#[inline(never)]
fn reads_from_a_pipe(file: c_int) {
    let mut byte = 0_u8;
    // SAFETY: one byte is read into a place for it.
    unsafe { libc::read(file, (&raw mut byte).cast(), 1) };
    black_box(byte);
}

#[inline(never)]
fn spins_until(stop: &AtomicBool) {
    while !black_box(stop).load(SeqCst) {}
}

fn pipe() -> [c_int; 2] {
    let mut files = [0; 2];
    // SAFETY: there is room for two.
    assert_eq!(unsafe { libc::pipe(files.as_mut_ptr()) }, 0);
    files
}

/// The call that a thread is in before long.
fn blocked(thread: u32) -> Call {
    let pid = std::process::id();
    loop {
        if let Some(call) = Call::of(pid, thread).expect("it lives") {
            return call;
        }
        thread::yield_now();
    }
}

#[test]
fn a_thread_that_reads_from_a_pipe_is_blocked_on_it_there() {
    let [reader, writer] = pipe();
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        tell.send(native_id()).expect("heard");
        reads_from_a_pipe(reader);
    });
    let id = told.recv().expect("it starts");
    let pid = std::process::id();
    let mut native = Native::new(pid);
    // Before it reads, it may still be in the call by which it told its id.
    let (call, names) = loop {
        let call = blocked(id);
        let stack = native.stack_in_memory(call.registers());
        let stack = stack.unwrap_or_default();
        if call.name() == "read" {
            break (call, names(&native, &stack));
        }
    };
    let thing = on(pid, &call);
    // SAFETY: one byte is written from a place that has it.
    unsafe { libc::write(writer, c"x".as_ptr().cast(), 1) };
    thread.join().expect("it ends");
    assert_eq!((thing.kind, thing.lock), (Some(BlockedOn::Pipe), None));
    assert_eq!(names[0], "read");
    let caller = names.iter().any(|name| name.ends_with("reads_from_a_pipe"));
    assert!(caller, "{names:?}");
}

#[test]
fn threads_that_queue_for_one_lock_are_blocked_on_the_same_address() {
    let lock = Arc::new(std::sync::Mutex::new(()));
    let held = lock.lock().expect("nobody has panicked");
    let (tell, told) = mpsc::channel();
    let threads = [(); 2].map(|()| {
        let (lock, tell) = (Arc::clone(&lock), tell.clone());
        thread::spawn(move || {
            tell.send(native_id()).expect("heard");
            drop(lock.lock());
        })
    });
    let pid = std::process::id();
    let address = Arc::as_ptr(&lock) as u64;
    let size = size_of::<std::sync::Mutex<()>>() as u64;
    for id in told.iter().take(2) {
        let locks = std::iter::from_fn(|| Some(on(pid, &blocked(id))));
        // The futex lies within the mutex.
        let mut within = locks.filter(|thing| {
            let lock = thing.lock.unwrap_or(0);
            (address..address + size + 16).contains(&lock)
        });
        let thing = within.next().expect("it queues");
        assert_eq!(thing.kind, Some(BlockedOn::Lock));
    }
    drop(held);
    for thread in threads {
        thread.join().expect("it ends");
    }
}

#[test]
fn a_sample_of_a_thread_that_spins_is_where_it_spins() {
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    let stopped = Arc::clone(&stop);
    let thread = thread::spawn(move || {
        tell.send(native_id()).expect("heard");
        spins_until(&stopped);
    });
    let shot = Shot::new(told.recv().expect("it starts"));
    let mut native = Native::new(std::process::id());
    let mut spun = 0;
    if let Ok(mut shot) = shot {
        for _ in 0..20 {
            shot.ask().expect("it was opened");
            let taken = loop {
                if let Some(taken) = shot.take() {
                    break taken;
                }
                thread::yield_now();
            };
            let stack = native.stack(taken.registers, &taken.stack);
            let names = names(&native, &stack.unwrap_or_default());
            spun += usize::from(names.iter().any(|name| name.ends_with("spins_until")));
            // There is one sample only, until the next is asked for.
            assert_eq!(shot.take(), None);
        }
    } else {
        spun = 20;
    }
    stop.store(true, SeqCst);
    thread.join().expect("it ends");
    // The first may be from before it spins.
    assert!(spun >= 18, "{spun} of 20");
}

#[test]
fn of_a_thread_that_is_gone_there_is_an_error() {
    let pid = std::process::id();
    assert!(Call::of(pid, u32::MAX).is_err());
    assert!(Shot::new(i32::MAX as u32).is_err());
}

//! The handful of CPython's functions that starting needs, found by name.
//!
//! All but one are in the stable ABI. They are looked up and not linked, so
//! that this crate works in any host, and with any version.

use std::ffi::{CStr, c_char, c_double, c_int, c_void};
use std::mem::transmute;

use crate::error::Error;

type Object = *mut c_void;

type GetObject = unsafe extern "C" fn() -> Object;
type TakeObject = unsafe extern "C" fn(Object);
type GetInt = unsafe extern "C" fn() -> c_int;
type TakeInt = unsafe extern "C" fn(c_int);
type GetText = unsafe extern "C" fn() -> *const c_char;
type Lookup = unsafe extern "C" fn(*const c_char) -> Object;
type Call = unsafe extern "C" fn(Object, Object) -> Object;
type AsDouble = unsafe extern "C" fn(Object) -> c_double;
type Act = unsafe extern "C" fn();

/// CPython's functions, as this process has them.
#[derive(Clone, Copy, Debug)]
pub struct Python {
    save_thread: GetObject,
    restore_thread: TakeObject,
    ensure: GetInt,
    release: TakeInt,
    this_thread_state: GetObject,
    current_state: GetObject,
    is_initialized: GetInt,
    version: GetText,
    sys_object: Lookup,
    call: Call,
    as_double: AsDouble,
    decref: TakeObject,
    clear_error: Act,
}

/// Tells the thread state of the calling thread, at any time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadStateOfThisThread(GetObject);

impl ThreadStateOfThisThread {
    /// PyGILState_GetThisThreadState at this address; `None` for zero.
    pub(crate) fn at(address: usize) -> Option<Self> {
        if address == 0 {
            return None;
        }
        let address: *mut c_void = std::ptr::with_exposed_provenance_mut(address);
        // SAFETY: CPython declares the function with this type, in all versions since 3.5.
        Some(Self(unsafe {
            transmute::<*mut c_void, GetObject>(address)
        }))
    }

    /// Zero where it has none.
    // Must not allocate.
    pub(crate) fn get(self) -> usize {
        // SAFETY: PyGILState_GetThisThreadState reads a thread-specific value;
        // it needs no thread state and takes no lock (pystate.c, 3.9 to 3.13).
        unsafe { (self.0)() as usize }
    }
}

/// The address of a function that some module of this process exports.
pub(crate) fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name is a C string; RTLD_DEFAULT searches what is loaded.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// Public from 3.13 on; the same function, private, before.
fn current_state_name() -> &'static CStr {
    let public = c"PyThreadState_GetUnchecked";
    match symbol(public) {
        Some(_) => public,
        None => c"_PyThreadState_UncheckedGet",
    }
}

macro_rules! function {
    ($name:expr, $type:ty) => {{
        let address = $crate::python::address_of($name)?;
        // SAFETY: CPython declares the function with this type, in all
        // versions since 3.5.
        unsafe { transmute::<*mut c_void, $type>(address) }
    }};
}

pub(crate) use function;

/// The address of a function that CPython exports.
pub(crate) fn address_of(name: &CStr) -> Result<*mut c_void, Error> {
    symbol(name).ok_or_else(|| missing(name))
}

fn missing(name: &CStr) -> Error {
    Error::unsupported(format!(
        "no CPython in this process: no module exports {}",
        name.to_string_lossy()
    ))
}

impl Python {
    /// Finds the interpreter of this process.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where there is none, or it is not running.
    pub fn find() -> Result<Self, Error> {
        let python = Python {
            save_thread: function!(c"PyEval_SaveThread", GetObject),
            restore_thread: function!(c"PyEval_RestoreThread", TakeObject),
            ensure: function!(c"PyGILState_Ensure", GetInt),
            release: function!(c"PyGILState_Release", TakeInt),
            this_thread_state: function!(c"PyGILState_GetThisThreadState", GetObject),
            current_state: function!(current_state_name(), GetObject),
            is_initialized: function!(c"Py_IsInitialized", GetInt),
            version: function!(c"Py_GetVersion", GetText),
            sys_object: function!(c"PySys_GetObject", Lookup),
            call: function!(c"PyObject_CallObject", Call),
            as_double: function!(c"PyFloat_AsDouble", AsDouble),
            decref: function!(c"Py_DecRef", TakeObject),
            clear_error: function!(c"PyErr_Clear", Act),
        };
        match python.is_running() {
            true => Ok(python),
            false => Err(Error::unsupported("Python is not initialized yet")),
        }
    }

    /// While `site` is imported, 3.15 does not yet say so of itself, but this thread has its
    /// state.
    fn is_running(&self) -> bool {
        // SAFETY: may be called at any time (C API, Py_IsInitialized).
        let initialized = unsafe { (self.is_initialized)() } != 0;
        // SAFETY: it takes no lock and no GIL, and is null where there is none.
        initialized || !unsafe { (self.this_thread_state)() }.is_null()
    }

    pub(crate) fn this_thread_state(&self) -> ThreadStateOfThisThread {
        ThreadStateOfThisThread(self.this_thread_state)
    }

    /// Where PyEval_SaveThread is: the module around it holds the GIL's code.
    pub(crate) fn save_thread_address(&self) -> usize {
        self.save_thread as usize
    }

    /// The interpreter's version, such as `[3, 12, 1]`.
    pub fn version(&self) -> [u8; 3] {
        // SAFETY: may be called at any time; returns a static C string.
        let text = unsafe { (self.version)() };
        // SAFETY: as above.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
        let mut numbers = text
            .split(|c: char| !c.is_ascii_digit())
            .map(|number| number.parse().unwrap_or(0));
        core::array::from_fn(|_| numbers.next().unwrap_or(0))
    }

    /// Whether this thread has an attached thread state: it holds the GIL.
    ///
    /// PyGILState_Check would say so too, but says yes to everybody once a
    /// subinterpreter was made.
    fn is_attached(&self) -> bool {
        // SAFETY: reads a global or a thread-local; needs no thread state.
        let current = unsafe { (self.current_state)() };
        // SAFETY: reads a thread-specific value; needs no thread state.
        let own = unsafe { (self.this_thread_state)() };
        !current.is_null() && current == own
    }

    /// Runs `work` without the GIL, whether or not the caller holds it.
    pub fn detached<T>(&self, work: impl FnOnce() -> T) -> T {
        if !self.is_attached() {
            return work();
        }
        // SAFETY: this thread has an attached thread state.
        let state = unsafe { (self.save_thread)() };
        let result = work();
        // SAFETY: `state` is what PyEval_SaveThread gave to this thread.
        unsafe { (self.restore_thread)(state) };
        result
    }

    /// Runs `work` with the GIL. The caller must not hold it.
    pub fn attached<T>(&self, work: impl FnOnce(&Attached<'_>) -> T) -> T {
        // SAFETY: the interpreter is initialized, checked in `find`.
        let state = unsafe { (self.ensure)() };
        let result = work(&Attached(self));
        // SAFETY: pairs with the PyGILState_Ensure above, on this thread.
        unsafe { (self.release)(state) };
        result
    }
}

impl Python {
    /// For a function that Python calls: then this thread holds the GIL.
    pub(crate) fn assume_attached(&self) -> Attached<'_> {
        Attached(self)
    }

    /// Gives up references to objects. The caller must not hold the GIL.
    pub(crate) fn let_go(&self, objects: impl Iterator<Item = u64>) {
        // SAFETY: may be called at any time.
        if unsafe { (self.is_initialized)() } == 0 {
            return;
        }
        self.attached(|_| {
            for object in objects {
                // SAFETY: the GIL is held, and the caller owns a reference.
                unsafe { (self.decref)(object as Object) };
            }
        });
    }
}

/// Proof that this thread holds the GIL.
#[derive(Debug)]
pub struct Attached<'p>(&'p Python);

impl Attached<'_> {
    /// The address of this thread's state.
    pub(crate) fn state(&self) -> usize {
        // SAFETY: reads a global or a thread-local.
        unsafe { (self.0.current_state)() as usize }
    }

    /// Gives the GIL up and takes it again, once; says which thread state
    /// did so.
    pub(crate) fn save_and_restore(&self) -> usize {
        // SAFETY: this thread holds the GIL, which `self` proves.
        let state = unsafe { (self.0.save_thread)() };
        // SAFETY: `state` is what PyEval_SaveThread gave to this thread.
        unsafe { (self.0.restore_thread)(state) };
        state as usize
    }

    /// Calls `sys.NAME()` and reads the result as a number.
    fn sys_number(&self, name: &CStr) -> Option<f64> {
        // SAFETY: this thread holds the GIL; the result is borrowed.
        let function = unsafe { (self.0.sys_object)(name.as_ptr()) };
        if function.is_null() {
            return None;
        }
        // SAFETY: `function` is a live object, sys holds on to it; a null
        // argument tuple means no arguments.
        let result = unsafe { (self.0.call)(function, std::ptr::null_mut()) };
        if result.is_null() {
            // SAFETY: this thread holds the GIL.
            unsafe { (self.0.clear_error)() };
            return None;
        }
        // SAFETY: `result` is a live object that we own.
        let number = unsafe { (self.0.as_double)(result) };
        // SAFETY: gives up the reference that PyObject_CallObject gave us.
        unsafe { (self.0.decref)(result) };
        // SAFETY: this thread holds the GIL; a number has no error to clear.
        unsafe { (self.0.clear_error)() };
        Some(number)
    }

    /// The switch interval in microseconds, as `sys.getswitchinterval()` says.
    pub fn switch_interval_us(&self) -> Option<u64> {
        let seconds = self.sys_number(c"getswitchinterval")?;
        Some((seconds * 1e6).round() as u64)
    }

    /// Whether a free-threaded build runs without its GIL.
    pub fn is_free_threaded(&self) -> bool {
        self.sys_number(c"_is_gil_enabled") == Some(0.0)
    }
}

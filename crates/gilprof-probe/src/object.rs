//! Python objects, as far as finding a code object's layout needs them.
//!
//! Only functions that run no Python code, but for [`Objects::run`] and
//! [`Object::call`]: a signal handler, a tracer or a profiler of the program must
//! not notice.

use std::ffi::{CStr, c_char, c_int, c_longlong, c_void};
use std::mem::transmute;
use std::ops::Deref;
use std::ptr::{NonNull, null_mut};

use crate::error::Error;
use crate::python::{Attached, address_of, function};

type Pointer = *mut c_void;

type Compile = unsafe extern "C" fn(*const c_char, *const c_char, c_int) -> Pointer;
type Named = unsafe extern "C" fn(Pointer, *const c_char) -> Pointer;
type Call = unsafe extern "C" fn(Pointer, Pointer) -> Pointer;
type Convert = unsafe extern "C" fn(Pointer) -> Pointer;
type Size = unsafe extern "C" fn(Pointer) -> isize;
type Item = unsafe extern "C" fn(Pointer, isize) -> Pointer;
type AsNumber = unsafe extern "C" fn(Pointer) -> c_longlong;
type AsBytes = unsafe extern "C" fn(Pointer, *mut *mut c_char, *mut isize) -> c_int;
type FromText = unsafe extern "C" fn(*const c_char, isize) -> Pointer;
type LineOf = unsafe extern "C" fn(Pointer, c_int) -> c_int;
type Lookup = unsafe extern "C" fn(*const c_char) -> Pointer;
type Here = unsafe extern "C" fn() -> Pointer;
type Eval = unsafe extern "C" fn(Pointer, Pointer, Pointer) -> Pointer;
type Put = unsafe extern "C" fn(Pointer, *const c_char, Pointer) -> c_int;
type Wrap = unsafe extern "C" fn(*const MethodDef, Pointer, Pointer) -> Pointer;
type Take = unsafe extern "C" fn(Pointer);
type Act = unsafe extern "C" fn();

/// Compiles a module (`Py_file_input`, `Include/compile.h`).
const FILE_INPUT: c_int = 257;

/// A C function as Python knows it (methodobject.h).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct MethodDef {
    pub(crate) name: *const c_char,
    pub(crate) function: unsafe extern "C" fn(Pointer, Pointer) -> Pointer,
    /// METH_NOARGS is 4.
    pub(crate) flags: c_int,
    pub(crate) doc: *const c_char,
}

// SAFETY: its pointers are to constants.
unsafe impl Sync for MethodDef {}

/// CPython's functions for objects. It proves that this thread holds the GIL.
#[derive(Debug)]
pub(crate) struct Objects<'p> {
    compile: Compile,
    attribute: Named,
    entry: Named,
    call: Call,
    type_of: Convert,
    utf8: Convert,
    size: Size,
    item: Item,
    as_number: AsNumber,
    as_bytes: AsBytes,
    from_text: FromText,
    line_of: LineOf,
    sys_object: Lookup,
    frame: Here,
    new_dict: Here,
    eval: Eval,
    put: Put,
    wrap: Wrap,
    incref: Take,
    decref: Take,
    clear_error: Act,
    code_type: u64,
    _attached: &'p Attached<'p>,
}

impl<'p> Objects<'p> {
    /// Finds the functions.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where one is missing.
    pub(crate) fn find(attached: &'p Attached<'p>) -> Result<Self, Error> {
        Ok(Objects {
            compile: function!(c"Py_CompileString", Compile),
            attribute: function!(c"PyObject_GetAttrString", Named),
            entry: function!(c"PyMapping_GetItemString", Named),
            call: function!(c"PyObject_CallObject", Call),
            type_of: function!(c"PyObject_Type", Convert),
            utf8: function!(c"PyUnicode_AsUTF8String", Convert),
            size: function!(c"PySequence_Size", Size),
            item: function!(c"PySequence_GetItem", Item),
            as_number: function!(c"PyLong_AsLongLong", AsNumber),
            as_bytes: function!(c"PyBytes_AsStringAndSize", AsBytes),
            from_text: function!(c"PyUnicode_FromStringAndSize", FromText),
            line_of: function!(c"PyCode_Addr2Line", LineOf),
            sys_object: function!(c"PySys_GetObject", Lookup),
            frame: function!(c"PyEval_GetFrame", Here),
            new_dict: function!(c"PyDict_New", Here),
            eval: function!(c"PyEval_EvalCode", Eval),
            put: function!(c"PyDict_SetItemString", Put),
            wrap: function!(c"PyCFunction_NewEx", Wrap),
            incref: function!(c"Py_IncRef", Take),
            decref: function!(c"Py_DecRef", Take),
            clear_error: function!(c"PyErr_Clear", Act),
            code_type: address_of(c"PyCode_Type")?.addr() as u64,
            _attached: attached,
        })
    }

    /// The code object of a module with this source.
    pub(crate) fn compile(&self, source: &CStr, file: &CStr) -> Option<Object<'_>> {
        // SAFETY: this thread holds the GIL; both are C strings.
        self.owned(unsafe { (self.compile)(source.as_ptr(), file.as_ptr(), FILE_INPUT) })
    }

    /// A new `str`.
    pub(crate) fn text(&self, text: &str) -> Option<Object<'_>> {
        // SAFETY: this thread holds the GIL; CPython copies so many bytes.
        self.owned(unsafe { (self.from_text)(text.as_ptr().cast(), text.len() as isize) })
    }

    /// This thread's innermost Python frame, if it has one.
    pub(crate) fn frame(&self) -> Option<Object<'_>> {
        // SAFETY: this thread holds the GIL; the result is borrowed.
        self.borrowed(unsafe { (self.frame)() })
    }

    /// What the module sys has under this name.
    pub(crate) fn of_sys(&self, name: &CStr) -> Option<Object<'_>> {
        // SAFETY: this thread holds the GIL; the result is borrowed.
        self.borrowed(unsafe { (self.sys_object)(name.as_ptr()) })
    }

    /// An empty dict.
    pub(crate) fn dict(&self) -> Option<Object<'_>> {
        // SAFETY: this thread holds the GIL.
        self.owned(unsafe { (self.new_dict)() })
    }

    /// A function that Python can call.
    pub(crate) fn function(&self, definition: &'static MethodDef) -> Option<Object<'_>> {
        // SAFETY: this thread holds the GIL; the definition lives for ever.
        self.owned(unsafe { (self.wrap)(definition, null_mut(), null_mut()) })
    }

    /// Runs source text with this dict as its globals.
    pub(crate) fn run(&self, source: &CStr, file: &CStr, globals: &Object<'_>) -> Option<()> {
        let code = self.compile(source, file)?;
        let globals = globals.pointer();
        // SAFETY: a live code object and a live dict; this thread holds the GIL.
        let result = unsafe { (self.eval)(code.pointer(), globals, globals) };
        self.owned(result).map(drop)
    }

    /// A module that is imported already.
    pub(crate) fn module(&self, name: &CStr) -> Option<Object<'_>> {
        self.of_sys(c"modules")?.entry(name)
    }

    /// One more reference to an object that somebody else holds.
    fn borrowed(&self, pointer: Pointer) -> Option<Object<'_>> {
        if !pointer.is_null() {
            // SAFETY: a live object; this thread holds the GIL.
            unsafe { (self.incref)(pointer) };
        }
        self.owned(pointer)
    }

    /// A new reference as an object; its absence has left an error behind.
    fn owned(&self, pointer: Pointer) -> Option<Object<'_>> {
        let Some(pointer) = NonNull::new(pointer) else {
            self.clear_error();
            return None;
        };
        Some(Object {
            pointer,
            objects: self,
        })
    }

    fn clear_error(&self) {
        // SAFETY: this thread holds the GIL.
        unsafe { (self.clear_error)() };
    }
}

/// A Python object, kept alive.
#[derive(Debug)]
pub(crate) struct Object<'o> {
    pointer: NonNull<c_void>,
    objects: &'o Objects<'o>,
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        // SAFETY: a reference that is ours; this thread holds the GIL.
        unsafe { (self.objects.decref)(self.pointer()) };
    }
}

impl<'o> Object<'o> {
    fn pointer(&self) -> Pointer {
        self.pointer.as_ptr()
    }

    /// Where it is.
    pub(crate) fn address(&self) -> u64 {
        self.pointer().addr() as u64
    }

    /// What a mapping has under this key.
    pub(crate) fn entry(&self, key: &CStr) -> Option<Object<'o>> {
        // SAFETY: a live object and a C string; this thread holds the GIL.
        self.objects
            .owned(unsafe { (self.objects.entry)(self.pointer(), key.as_ptr()) })
    }

    /// Puts something into a dict.
    pub(crate) fn put(&self, key: &CStr, value: &Object<'_>) -> Option<()> {
        // SAFETY: live objects and a C string; this thread holds the GIL.
        let failed = unsafe { (self.objects.put)(self.pointer(), key.as_ptr(), value.pointer()) };
        if failed != 0 {
            self.objects.clear_error();
        }
        (failed == 0).then_some(())
    }

    /// The reference, for a caller who gives it up.
    pub(crate) fn into_raw(self) -> Pointer {
        let pointer = self.pointer();
        std::mem::forget(self);
        pointer
    }

    /// Its type.
    pub(crate) fn type_of(&self) -> Option<Object<'o>> {
        // SAFETY: a live object; this thread holds the GIL.
        self.objects
            .owned(unsafe { (self.objects.type_of)(self.pointer()) })
    }

    /// One of its attributes.
    pub(crate) fn attribute(&self, name: &CStr) -> Option<Object<'o>> {
        // SAFETY: a live object and a C string; this thread holds the GIL.
        self.objects
            .owned(unsafe { (self.objects.attribute)(self.pointer(), name.as_ptr()) })
    }

    /// What calling it without arguments gives.
    pub(crate) fn call(&self) -> Option<Object<'o>> {
        // SAFETY: a live object; a null argument tuple means no arguments.
        self.objects
            .owned(unsafe { (self.objects.call)(self.pointer(), null_mut()) })
    }

    /// The items of a sequence.
    pub(crate) fn items(&self) -> Vec<Object<'o>> {
        // SAFETY: a live object; this thread holds the GIL.
        let size = unsafe { (self.objects.size)(self.pointer()) };
        if size < 0 {
            self.objects.clear_error();
        }
        (0..size).filter_map(|index| self.item(index)).collect()
    }

    fn item(&self, index: isize) -> Option<Object<'o>> {
        // SAFETY: a live object; an index beyond its end is an error.
        self.objects
            .owned(unsafe { (self.objects.item)(self.pointer(), index) })
    }

    /// The value of an `int`.
    pub(crate) fn number(&self) -> Option<u64> {
        // SAFETY: a live object; this thread holds the GIL.
        let number = unsafe { (self.objects.as_number)(self.pointer()) };
        if number < 0 {
            self.objects.clear_error();
        }
        u64::try_from(number).ok()
    }

    /// The content of a `bytes` object, and the address of that content.
    pub(crate) fn bytes(&self) -> Option<(Vec<u8>, u64)> {
        let (mut data, mut size) = (null_mut(), 0);
        // SAFETY: a live object, two variables; this thread holds the GIL.
        let failed = unsafe { (self.objects.as_bytes)(self.pointer(), &mut data, &mut size) } != 0;
        let Ok(size) = usize::try_from(size) else {
            return None;
        };
        if failed || data.is_null() {
            self.objects.clear_error();
            return None;
        }
        // SAFETY: CPython says that so many bytes are there, and they are not
        // changed: the object is immutable and kept alive by `self`.
        let content = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) };
        Some((content.to_vec(), data.addr() as u64))
    }

    /// The content of a `str`, if it is all characters.
    pub(crate) fn text(&self) -> Option<String> {
        // SAFETY: a live object, of any type; this thread holds the GIL.
        let utf8 = self
            .objects
            .owned(unsafe { (self.objects.utf8)(self.pointer()) })?;
        String::from_utf8(utf8.bytes()?.0).ok()
    }

    /// As a code object, if it is one.
    pub(crate) fn into_code(self) -> Option<CodeObject<'o>> {
        let is_code = self.type_of()?.address() == self.objects.code_type;
        is_code.then_some(CodeObject(self))
    }
}

/// A code object, kept alive.
#[derive(Debug)]
pub(crate) struct CodeObject<'o>(Object<'o>);

impl<'o> Deref for CodeObject<'o> {
    type Target = Object<'o>;

    fn deref(&self) -> &Object<'o> {
        &self.0
    }
}

impl CodeObject<'_> {
    /// The line that CPython says for a place in its bytecode; 0 where there
    /// is none.
    pub(crate) fn line_of(&self, offset_bytes: u32) -> u32 {
        let offset = c_int::try_from(offset_bytes).unwrap_or(c_int::MAX);
        // SAFETY: a live code object, of which `into_code` made sure; for an
        // offset beyond its end CPython says -1, or the last line.
        let line = unsafe { (self.objects.line_of)(self.pointer(), offset) };
        u32::try_from(line).unwrap_or(0)
    }
}

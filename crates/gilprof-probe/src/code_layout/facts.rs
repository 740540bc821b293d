//! What CPython says of one code object, and the memory it is in.

use std::ffi::CStr;

use gilprof_code::{Memory, ProcessMemory};

use super::Doubt;
use crate::object::{CodeObject, Object};

/// No object of the sample is larger.
const MAX_BYTES: u64 = 1 << 16;

/// What CPython says of one code object, and the memory it is in.
#[derive(Debug)]
pub(super) struct Facts<'o> {
    pub(super) code: &'o CodeObject<'o>,
    pub(super) code_type: u64,
    pub(super) file_name: Object<'o>,
    pub(super) name: Object<'o>,
    /// From 3.11 on.
    pub(super) qualified_name: Option<Object<'o>>,
    pub(super) line_table: Object<'o>,
    pub(super) first_line: u32,
    /// As it is in memory, where CPython tells that.
    pub(super) bytecode: Vec<u8>,
    /// The part that has the same size in all code objects.
    pub(super) image: Vec<u8>,
}

impl<'o> Facts<'o> {
    pub(super) fn of(code: &'o CodeObject<'o>) -> Result<Self, Doubt> {
        let code_type = type_of(code)?;
        let first_line = number(code, c"co_firstlineno")?;
        Ok(Facts {
            code,
            code_type: code_type.address(),
            file_name: named(code, c"co_filename")?,
            name: named(code, c"co_name")?,
            qualified_name: code.attribute(c"co_qualname"),
            line_table: either(code, c"co_linetable", c"co_lnotab")?,
            first_line: u32::try_from(first_line).map_err(|_| "co_firstlineno is too large")?,
            bytecode: content(&either(code, c"_co_code_adaptive", c"co_code")?)?,
            image: memory(code, number(&code_type, c"__basicsize__")?)?,
        })
    }

    /// The memory of all of it.
    pub(super) fn whole(&self) -> Result<Vec<u8>, Doubt> {
        memory(self.code, size_of_object(self.code)?)
    }

    /// What is called its function: the best name there is.
    pub(super) fn function(&self) -> &Object<'o> {
        self.qualified_name.as_ref().unwrap_or(&self.name)
    }
}

/// The types that a layout tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Types {
    pub(super) bytes: u64,
    pub(super) text: u64,
    /// The size of what a code object has a varying number of.
    pub(super) code_items: u64,
}

impl Types {
    pub(super) fn of(facts: &[Facts<'_>]) -> Result<Self, Doubt> {
        let one = facts.first().ok_or("the sample has no code object")?;
        Ok(Types {
            bytes: type_of(&one.line_table)?.address(),
            text: type_of(&one.name)?.address(),
            code_items: number(&type_of(one.code)?, c"__itemsize__")?,
        })
    }
}

/// The memory of an object, or of its first part.
pub(super) fn memory(object: &Object<'_>, size: u64) -> Result<Vec<u8>, Doubt> {
    if size > MAX_BYTES {
        return Err(format!("an object of the sample has {size} bytes"));
    }
    let mut image = vec![0; size as usize];
    match ProcessMemory::own().read(object.address(), &mut image) {
        true => Ok(image),
        false => Err("this process may not read its own memory by process_vm_readv".into()),
    }
}

/// How much memory an object has, by its own account.
pub(super) fn size_of_object(object: &Object<'_>) -> Result<u64, Doubt> {
    let method = named(object, c"__sizeof__")?;
    let size = method.call().and_then(|size| size.number());
    size.ok_or_else(|| "__sizeof__() fails".into())
}

fn content(bytes: &Object<'_>) -> Result<Vec<u8>, Doubt> {
    let (content, _) = bytes.bytes().ok_or("what should be bytes is not")?;
    Ok(content)
}

fn type_of<'o>(object: &Object<'o>) -> Result<Object<'o>, Doubt> {
    object
        .type_of()
        .ok_or_else(|| "an object has no type".into())
}

fn number(object: &Object<'_>, name: &CStr) -> Result<u64, Doubt> {
    let number = named(object, name)?.number();
    number.ok_or_else(|| format!("{} is not a number", name.to_string_lossy()))
}

fn named<'o>(object: &Object<'o>, name: &CStr) -> Result<Object<'o>, Doubt> {
    let found = object.attribute(name);
    found.ok_or_else(|| format!("there is no {}", name.to_string_lossy()))
}

fn either<'o>(object: &Object<'o>, name: &CStr, other: &CStr) -> Result<Object<'o>, Doubt> {
    match object.attribute(name) {
        Some(found) => Ok(found),
        None => named(object, other),
    }
}

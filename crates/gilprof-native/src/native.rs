//! Native stacks of a process, by the names of their functions.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use framehop::{CacheNative, FrameAddress, MayAllocateDuringUnwind, Unwinder, UnwinderNative};
use gilprof_code::ProcessMemory;
use gilprof_core::Frame;

use crate::images::{self, Image};
use crate::module::{Bytes, Module};
use crate::name::readable;
use crate::registers::Registers;

/// How many functions of a stack are kept, the innermost.
const KEPT: usize = 24;
/// How much of a stack is read, in bytes.
const STACK: usize = 8 << 10;
/// An address outside of all modules may be in one that is new; but the process's
/// mappings are not read again so soon.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// How many addresses are remembered.
const ADDRESSES: usize = 1 << 16;
/// Stands for the file of code that the program has made while it ran.
const GENERATED: &str = "generated code";
/// The interpreter's loop: what is outside of it was called by other Python code.
const LOOP: &str = "_PyEval_EvalFrameDefault";

/// The native functions of a process, as far as they were met.
pub struct Native {
    pid: u32,
    modules: Vec<Known>,
    /// Where there is code that is in no module.
    generated: Vec<Range<u64>>,
    read_at: Option<Instant>,
    unwinder: UnwinderNative<Bytes, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
    functions: Vec<Frame>,
    numbers: HashMap<Frame, u32>,
    addresses: HashMap<u64, u32>,
}

/// A module, read when an address in it is met.
struct Known {
    image: Image,
    module: Option<Option<Module>>,
}

impl std::fmt::Debug for Native {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Native");
        shown.field("pid", &self.pid);
        shown.field("functions", &self.functions.len());
        shown.finish_non_exhaustive()
    }
}

impl Native {
    /// Of the process with this id; nothing is read yet.
    pub fn new(pid: u32) -> Self {
        Native {
            pid,
            modules: Vec::new(),
            generated: Vec::new(),
            read_at: None,
            unwinder: UnwinderNative::new(),
            cache: CacheNative::new(),
            functions: Vec::new(),
            numbers: HashMap::new(),
            addresses: HashMap::new(),
        }
    }

    /// The numbers of the functions that a thread with these registers is in, innermost
    /// first, up to the interpreter's loop; `stack` is its memory from the stack
    /// pointer on. Fewer where the stack cannot be unwound so far; `None` where it is in
    /// no known code at all, or in a function of an interpreter that has lost its
    /// symbols: that may be the loop or any other.
    pub fn stack(&mut self, registers: Registers, stack: &[u8]) -> Option<Vec<u32>> {
        let innermost = self.function(registers.pc)?;
        if is_lost(&self.functions[innermost as usize]) {
            return None;
        }
        let mut found = Vec::new();
        let mut unwound = registers.unwound_from();
        let mut read = |address: u64| {
            let offset = address.checked_sub(registers.sp).ok_or(())?;
            let offset = usize::try_from(offset).map_err(|_| ())?;
            let word = stack.get(offset..).and_then(<[u8]>::first_chunk);
            word.map(|word| u64::from_ne_bytes(*word)).ok_or(())
        };
        let mut address = FrameAddress::from_instruction_pointer(registers.pc);
        while found.len() < KEPT
            && let Some(number) = self.function(address.address_for_lookup())
            && let frame = &self.functions[number as usize]
            && frame.function != LOOP
            && !is_lost(frame)
        {
            found.push(number);
            // Without unwind data the unwinder would take any word for an address.
            let unwinds = self.unwinds(address.address_for_lookup());
            let unwinder = unwinds.then_some(&self.unwinder);
            let caller = unwinder.and_then(|unwinder| {
                let step = unwinder.unwind_frame(address, &mut unwound, &mut self.cache, &mut read);
                step.ok()
                    .flatten()
                    .and_then(FrameAddress::from_return_address)
            });
            let Some(caller) = caller else { break };
            address = caller;
        }
        Some(found)
    }

    fn unwinds(&self, address: u64) -> bool {
        let known = self.index(address).map(|index| &self.modules[index]);
        let module = known.and_then(|known| known.module.as_ref()?.as_ref());
        module.is_some_and(|module| module.unwinds)
    }

    /// The same for a thread that stands still, its stack read from its memory. What it
    /// does meanwhile, if it does not stand still, is for the caller to find out.
    pub fn stack_in_memory(&mut self, registers: Registers) -> Option<Vec<u32>> {
        let mut stack = vec![0; STACK];
        let length = ProcessMemory::of(self.pid).read_some(registers.sp, &mut stack);
        self.stack(registers, stack.get(..length).unwrap_or_default())
    }

    /// The function with this number.
    pub fn frame(&self, number: u32) -> Option<&Frame> {
        self.functions.get(number as usize)
    }

    /// The number of the function at an address; `None` where there is no code.
    fn function(&mut self, address: u64) -> Option<u32> {
        if let Some(&number) = self.addresses.get(&address) {
            return Some(number);
        }
        let frame = match self.known(address) {
            Some(known) => {
                let module = self.module(known)?;
                let symbol = module.symbols.find(address.wrapping_sub(module.bias));
                Frame::of_native(symbol.map(readable), module.name.clone())
            }
            None => {
                let mut generated = self.generated.iter();
                let within = generated.any(|code| code.contains(&address));
                within.then(|| Frame::of_native(None, GENERATED))?
            }
        };
        let number = self.number(frame);
        if self.addresses.len() >= ADDRESSES {
            self.addresses.clear();
        }
        self.addresses.insert(address, number);
        Some(number)
    }

    fn number(&mut self, frame: Frame) -> u32 {
        if let Some(&number) = self.numbers.get(&frame) {
            return number;
        }
        let number = self.functions.len() as u32;
        self.functions.push(frame.clone());
        self.numbers.insert(frame, number);
        number
    }

    /// The index of the module at an address.
    fn known(&mut self, address: u64) -> Option<usize> {
        if let Some(index) = self.index(address) {
            return Some(index);
        }
        if self.read_at.is_some_and(|at| at.elapsed() < READ_AGAIN) {
            return None;
        }
        self.read_at = Some(Instant::now());
        self.refresh();
        self.index(address)
    }

    fn index(&self, address: u64) -> Option<usize> {
        let after = self
            .modules
            .partition_point(|known| known.image.range.start <= address);
        let index = after.checked_sub(1)?;
        let within = self.modules[index].image.range.contains(&address);
        within.then_some(index)
    }

    /// Reads which modules there are. Where one is gone, another may be in its place.
    fn refresh(&mut self) {
        let (images, generated) = images::of(self.pid);
        self.generated = generated;
        let mut old = std::mem::take(&mut self.modules);
        let gone = old.iter().any(|known| !images.contains(&known.image));
        if gone {
            self.unwinder = UnwinderNative::new();
            self.addresses.clear();
            old.clear();
        }
        self.modules = images
            .into_iter()
            .map(|image| {
                let at = old.iter().position(|known| known.image == image);
                let module = at.and_then(|at| old[at].module.take());
                Known { image, module }
            })
            .collect();
    }

    fn module(&mut self, index: usize) -> Option<&Module> {
        let known = self.modules.get_mut(index)?;
        if known.module.is_none() {
            let read = Module::read(self.pid, &known.image);
            known.module = Some(read.map(|(module, unwind)| {
                if let Some(unwind) = unwind {
                    self.unwinder.add_module(framehop::Module::new(
                        module.name.clone(),
                        known.image.range.clone(),
                        module.bias,
                        unwind,
                    ));
                }
                module
            }));
        }
        known.module.as_ref()?.as_ref()
    }
}

/// Whether it is a function of the interpreter whose name is lost.
fn is_lost(frame: &Frame) -> bool {
    let of_interpreter = ["libpython", "python"]
        .iter()
        .any(|name| frame.file.starts_with(name));
    of_interpreter && !frame.is_named()
}

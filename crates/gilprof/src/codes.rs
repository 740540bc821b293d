//! The code objects of the recorded process, by number.

use gilprof_code::{Code, CodeLayout, FrameAt, ProcessMemory};
use gilprof_core::Frame;
use gilprof_region::{CODES, NO_CODE, RawFrame, Region};
use rustc_hash::FxHashMap;

/// How many code objects are kept that the hooks have not seen.
const UNSEEN: usize = 16_384;

/// What code objects were found to be.
#[derive(Debug)]
pub(crate) struct Codes {
    memory: ProcessMemory,
    layout: CodeLayout,
    known: FxHashMap<u32, Option<Code>>,
    /// Those that the hooks have not seen yet, by address: their numbers are
    /// beyond those of the region.
    unseen: FxHashMap<u64, u32>,
}

impl Codes {
    /// `None` where no stacks are taken.
    pub(crate) fn of(region: &Region) -> Option<Self> {
        Some(Codes {
            memory: ProcessMemory::of(region.recording().pid),
            layout: CodeLayout::from_words(&region.stack_plan()?.code_layout).ok()?,
            known: FxHashMap::default(),
            unseen: FxHashMap::default(),
        })
    }

    fn read(&self, address: u64) -> Option<Code> {
        Code::read(&self.memory, &self.layout, address).ok()
    }

    /// Reads a code object of the region's table, unless it was read before.
    pub(crate) fn learn(&mut self, region: &Region, number: u32) {
        if !self.known.contains_key(&number) {
            let address = region.stacks().code(number);
            let code = address.and_then(|address| self.read(address));
            self.known.insert(number, code);
        }
    }

    /// A frame with the number of its code object.
    pub(crate) fn number(&mut self, region: &Region, frame: &FrameAt) -> RawFrame {
        let code = match region.stacks().find(frame.code) {
            Some(number) => {
                self.learn(region, number);
                number
            }
            None => self.number_unseen(frame.code),
        };
        RawFrame {
            code,
            offset: frame.offset,
        }
    }

    /// Nothing keeps such a code object alive, and another may have its address:
    /// so it is read each time.
    fn number_unseen(&mut self, address: u64) -> u32 {
        let Some(code) = self.read(address) else {
            return NO_CODE;
        };
        let code = Some(code);
        let known = self.unseen.get(&address).copied();
        match known.filter(|number| self.known.get(number) == Some(&code)) {
            Some(number) => number,
            None => self.remember(address, code),
        }
    }

    fn remember(&mut self, address: u64, code: Option<Code>) -> u32 {
        let beyond = self.known.len();
        if beyond >= CODES + UNSEEN {
            return NO_CODE;
        }
        let number = (CODES + beyond) as u32;
        self.unseen.insert(address, number);
        self.known.insert(number, code);
        number
    }

    /// What a frame is called.
    pub(crate) fn name(&self, frame: &RawFrame) -> Frame {
        match self.known.get(&frame.code) {
            Some(Some(code)) => Frame {
                function: code.function.clone(),
                file: code.file.clone(),
                line: code.line_at(frame.offset),
                ..Frame::default()
            },
            _ => Frame {
                function: String::from("(unreadable)"),
                ..Frame::default()
            },
        }
    }
}

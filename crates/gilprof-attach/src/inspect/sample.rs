//! Functions and code objects of the modules that a program has imported.

use std::collections::{HashMap, HashSet};

use gilprof_code::Memory;

use super::anchors::{Anchors, is_pointer};
use super::dict;
use super::imported::Imported;
use super::pages::Pages;

/// How much of a function and of a class is looked at, in words.
const FUNCTION_WORDS: usize = 16;
const CLASS_WORDS: usize = 48;
/// So many functions and code objects are enough, so that of a large program only a part
/// is read.
const MOST_FUNCTIONS: usize = 1_000;
const MOST_CODES: usize = 1_200;
/// No longer tuple is read, and code objects are nested no deeper.
const MOST_ITEMS: u64 = 4_096;
const DEPTH: usize = 8;

/// A code object: its address and the part of a fixed size.
#[derive(Debug)]
pub(crate) struct CodeAt {
    pub(crate) address: u64,
    pub(crate) image: Vec<u8>,
}

/// What a layout is found in.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    pub(crate) codes: Vec<CodeAt>,
    /// Each function's words, and the index of its code.
    pub(crate) functions: Vec<(Vec<u64>, usize)>,
    /// The index of a code object that is among the constants of another, after that.
    pub(crate) nested: Vec<(usize, usize)>,
    /// Names of what is in modules: `str` objects.
    pub(crate) names: Vec<u64>,
    /// Other `str` objects.
    pub(crate) texts: Vec<u64>,
    /// In a function: its code object.
    pub(crate) code_of_function: u32,
}

/// Collects the sample.
///
/// # Errors
/// What there is not enough of.
pub(crate) fn collect(
    pages: &Pages,
    anchors: &Anchors,
    modules: &[Imported],
) -> Result<Sample, String> {
    let mut collector = Collector {
        pages,
        anchors,
        sample: Sample::default(),
        seen: HashMap::new(),
    };
    let functions = collector.functions(modules);
    collector.sample.code_of_function = collector.code_offset(&functions)?;
    for function in functions {
        if collector.sample.codes.len() < MOST_CODES {
            collector.function(function);
        }
    }
    collector.sample.names.sort_unstable();
    collector.sample.names.dedup();
    Ok(collector.sample)
}

#[derive(Debug)]
struct Collector<'p> {
    pages: &'p Pages,
    anchors: &'p Anchors,
    sample: Sample,
    seen: HashMap<u64, usize>,
}

impl Collector<'_> {
    /// The functions in modules, and in classes that are in modules.
    fn functions(&mut self, modules: &[Imported]) -> Vec<u64> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for module in modules {
            if found.len() >= MOST_FUNCTIONS {
                break;
            }
            let items = module.items(self.pages, self.anchors);
            for (name, value) in items.unwrap_or_default() {
                if !seen.insert(value) {
                    continue;
                }
                if self.anchors.text.is_of(self.pages, name) {
                    self.sample.names.push(name);
                }
                if self.anchors.function.is_of(self.pages, value) {
                    found.push(value);
                } else if self.anchors.class.is_of(self.pages, value) {
                    found.extend(self.methods(value));
                } else if self.anchors.text.is_of(self.pages, value) {
                    self.sample.texts.push(value);
                }
            }
        }
        found
    }

    fn methods(&self, class: u64) -> Vec<u64> {
        let words = self.pages.words(class, CLASS_WORDS);
        let dicts = words
            .iter()
            .filter_map(|&word| dict::items(self.pages, self.anchors, word));
        let values = dicts.flatten().map(|(_, value)| value);
        values
            .filter(|&value| self.anchors.function.is_of(self.pages, value))
            .collect()
    }

    /// The one place where all functions have a code object.
    fn code_offset(&self, functions: &[u64]) -> Result<u32, String> {
        gilprof_code::only("the code of a function", 8, 8 * FUNCTION_WORDS, |offset| {
            let mut all = functions.iter();
            !functions.is_empty()
                && all.all(|function| {
                    let code = self.pages.word(function + offset as u64);
                    code.is_some_and(|code| self.anchors.code.is_of(self.pages, code))
                })
        })
    }

    fn function(&mut self, function: u64) {
        let words = self.pages.words(function, FUNCTION_WORDS);
        let code = words.get(self.sample.code_of_function as usize / 8);
        if let Some(code) = code.and_then(|&code| self.code(code, DEPTH)) {
            self.sample.functions.push((words, code));
        }
    }

    /// Takes a code object and those among its constants; gives its index.
    fn code(&mut self, address: u64, depth: usize) -> Option<usize> {
        if let Some(&index) = self.seen.get(&address) {
            return Some(index);
        }
        let size = usize::try_from(self.anchors.code.basic_size).ok()?;
        let image = self.pages.bytes(address, size.min(1024))?;
        let words: Vec<u64> = image
            .as_chunks()
            .0
            .iter()
            .map(|&word| u64::from_ne_bytes(word))
            .collect();
        let index = self.sample.codes.len();
        self.seen.insert(address, index);
        self.sample.codes.push(CodeAt { address, image });
        for tuple in words {
            if depth > 0 && self.anchors.tuple.is_of(self.pages, tuple) {
                self.constants(tuple, index, depth - 1);
            }
        }
        Some(index)
    }

    fn constants(&mut self, tuple: u64, outer: usize, depth: usize) {
        // Its length and, behind that, its items.
        let own = tuple.wrapping_add(self.anchors.head());
        let length = self.pages.word(own).unwrap_or(0);
        let items = self
            .pages
            .words(own.wrapping_add(8), length.min(MOST_ITEMS) as usize);
        for item in items.into_iter().filter(|&item| is_pointer(item)) {
            if self.anchors.code.is_of(self.pages, item) {
                let nested = self.code(item, depth);
                self.sample
                    .nested
                    .extend(nested.map(|nested| (outer, nested)));
            } else if self.anchors.text.is_of(self.pages, item) {
                self.sample.texts.push(item);
            }
        }
    }
}

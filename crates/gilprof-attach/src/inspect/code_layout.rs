//! Where the parts of a code object are, found in those of a program that runs.
//!
//! Every part proves itself: a function has the same name as its code; a nested function
//! is in the same file as the one around it, and begins on one of its lines; a line
//! table speaks of exactly as much bytecode as there is. What fits all code objects
//! of the sample, at one place only, is it.

use std::ops::Range;

use gilprof_code::{BytesLayout, Code, CodeLayout, LineTable, Memory, TextLayout, only};

use super::anchors::Anchors;
use super::pages::Pages;
use super::sample::{CodeAt, Sample};

/// Fewer code objects, or fewer nested ones, prove nothing.
const FEWEST_CODES: usize = 50;
const FEWEST_NESTED: usize = 8;
/// No source text has more lines.
const MOST_LINES: u32 = 10_000_000;

/// Finds the layout.
///
/// # Errors
/// What was not found, or is not in one place only.
pub(crate) fn find(
    pages: &Pages,
    anchors: &Anchors,
    sample: &Sample,
    text: TextLayout,
) -> Result<CodeLayout, String> {
    let (codes, nested) = (sample.codes.len(), sample.nested.len());
    if codes < FEWEST_CODES || nested < FEWEST_NESTED {
        return Err(format!(
            "too few code objects to prove it with: {codes}, {nested} of them nested"
        ));
    }
    let search = Search {
        pages,
        anchors,
        sample,
        text,
    };
    let (name, qualified_name) = search.names()?;
    let file_name = search.file_name(name, qualified_name)?;
    let bytes = search.bytes()?;
    let (line_table, lines) = search.line_table(bytes)?;
    let unproved = CodeLayout {
        code_type: anchors.code.address,
        type_word: anchors.type_word(),
        file_name,
        name,
        qualified_name: qualified_name.unwrap_or(0),
        first_line: 0,
        line_table,
        instructions: search.instructions(),
        lines,
        bytes,
        text,
    };
    let first_line = search.first_line(&unproved)?;
    search.prove(CodeLayout {
        first_line,
        ..unproved
    })
}

#[derive(Debug)]
struct Search<'p> {
    pages: &'p Pages,
    anchors: &'p Anchors,
    sample: &'p Sample,
    text: TextLayout,
}

impl Search<'_> {
    /// The places of the name and, from 3.11 on, of the qualified name: there a function
    /// has the very object that its code has. Wrappers take the name of what they wrap.
    fn names(&self) -> Result<(u32, Option<u32>), String> {
        let shares = |offset: u32| {
            let functions = self.sample.functions.iter();
            let sharing = functions
                .filter(|(words, code)| words.contains(&word(&self.sample.codes[*code], offset)));
            sharing.count() * 10 > self.sample.functions.len() * 8
        };
        let texts = self.all_of(self.anchors.text.address);
        let names: Vec<u32> = texts.into_iter().filter(|&offset| shares(offset)).collect();
        match names[..] {
            [name] => Ok((name, None)),
            [one, other] if self.qualifies(one, other) => Ok((one, Some(other))),
            [one, other] if self.qualifies(other, one) => Ok((other, Some(one))),
            _ => Err(format!("co_name may be at {} places", names.len())),
        }
    }

    /// Whether the second is the first with what is around it.
    fn qualifies(&self, name: u32, qualified: u32) -> bool {
        let mut longer = 0;
        let all = self.sample.codes.iter().all(|code| {
            let (name, qualified) = (self.text_at(code, name), self.text_at(code, qualified));
            longer += usize::from(name != qualified);
            match (name, qualified) {
                (Some(name), Some(qualified)) => qualified.ends_with(&name),
                _ => false,
            }
        });
        all && longer > 0
    }

    /// The only other text. What is nested is in the same file.
    fn file_name(&self, name: u32, qualified: Option<u32>) -> Result<u32, String> {
        let texts = self.all_of(self.anchors.text.address);
        only("co_filename", 8, self.size(), |offset| {
            let offset = offset as u32;
            let mut nested = self.sample.nested.iter();
            texts.contains(&offset)
                && offset != name
                && Some(offset) != qualified
                && nested.all(|&(outer, inner)| {
                    let [outer, inner] = [outer, inner].map(|code| &self.sample.codes[code]);
                    self.text_at(outer, offset) == self.text_at(inner, offset)
                })
        })
    }

    /// The content of `bytes` ends with a zero that the type's size counts
    /// (`PyBytesObject`, `bytesobject.h`).
    fn bytes(&self) -> Result<BytesLayout, String> {
        let data = self.anchors.bytes.basic_size.wrapping_sub(1);
        if !(self.anchors.head() + 8..256).contains(&data) {
            return Err(format!("bytes have {data} bytes before their content"));
        }
        let tables = self.all_of(self.anchors.bytes.address);
        let objects = self.sample.codes.iter().flat_map(|code| {
            let words = tables.iter().map(|&offset| word(code, offset));
            words.collect::<Vec<_>>()
        });
        let objects: Vec<u64> = objects.collect();
        let ends = |object: u64, offset: u64| {
            let size = self.pages.word(object.wrapping_add(offset))?;
            let end = (size < 1 << 20).then(|| object + data + size)?;
            Some(self.pages.bytes(end, 1)?[0] == 0)
        };
        let size = only("the size of bytes", 8, data as usize, |offset| {
            let mut all = objects.iter();
            offset as u64 >= self.anchors.head()
                && !objects.is_empty()
                && all.all(|&object| ends(object, offset as u64) == Some(true))
        })?;
        Ok(BytesLayout {
            type_address: self.anchors.bytes.address,
            size,
            data: data as u32,
        })
    }

    /// Where the line table is, and in which format: the only ones that speak of as much
    /// bytecode as each code object has.
    fn line_table(&self, bytes: BytesLayout) -> Result<(u32, LineTable), String> {
        let tables = self.all_of(self.anchors.bytes.address);
        let mut found = Vec::new();
        for &table in &tables {
            for lines in LineTable::ALL {
                // From 3.11 on the bytecode is a part of the code object.
                let fits = match self.anchors.code.item_size {
                    0 => {
                        let mut others = tables.iter().filter(|&&other| other != table);
                        others.any(|&other| {
                            self.covers(bytes, table, lines, |code| {
                                self.bytes_at(bytes, code, other)
                                    .map(|code| code.len() as u64)
                            })
                        })
                    }
                    size => self.covers(bytes, table, lines, |code| {
                        // How many items there are comes first.
                        Some(size * word(code, self.anchors.head() as u32))
                    }),
                };
                if fits {
                    found.push((table, lines));
                }
            }
        }
        match found[..] {
            [one] => Ok(one),
            _ => Err(format!("{} line tables and formats fit", found.len())),
        }
    }

    fn covers(
        &self,
        bytes: BytesLayout,
        table: u32,
        lines: LineTable,
        length: impl Fn(&CodeAt) -> Option<u64>,
    ) -> bool {
        self.sample.codes.iter().all(|code| {
            let (Some(table), Some(length)) = (self.bytes_at(bytes, code, table), length(code))
            else {
                return false;
            };
            let covered = lines.covered_bytes(&table);
            match lines {
                LineTable::Lnotab => covered < length && table.len().is_multiple_of(2),
                _ => covered == length,
            }
        })
    }

    /// From 3.11 on the bytecode comes after the part of a fixed size
    /// (`PyCode_Type`, `codeobject.c`).
    fn instructions(&self) -> u32 {
        match self.anchors.code.item_size {
            0 => 0,
            _ => self.size() as u32,
        }
    }

    /// What is nested begins on one of the lines of what it is nested in, mostly on a
    /// later one.
    fn first_line(&self, unproved: &CodeLayout) -> Result<u32, String> {
        let line = |code: &CodeAt, offset| half(code, offset);
        only("co_firstlineno", 4, self.size(), |offset| {
            let mut later = 0;
            let mut nested = self.sample.nested.iter();
            let all = nested.all(|&(outer, inner)| {
                let [outer, inner] = [outer, inner].map(|code| &self.sample.codes[code]);
                let (begin, line) = (line(outer, offset), line(inner, offset));
                later += usize::from(line > begin);
                let table = self.bytes_at(unproved.bytes, outer, unproved.line_table);
                (1..MOST_LINES).contains(&begin)
                    && table.is_some_and(|table| {
                        let lines = unproved.lines.lines(&table, begin);
                        line == begin || lines.contains(&line)
                    })
            });
            all && later * 2 > self.sample.nested.len()
        })
    }

    /// All code objects can be read, and have the names that they should have.
    fn prove(&self, layout: CodeLayout) -> Result<CodeLayout, String> {
        for code in &self.sample.codes {
            let read = Code::read(self.pages, &layout, code.address);
            let read = read.map_err(|why| why.to_string())?;
            if read.function.is_empty() || read.file.is_empty() || read.first_line == 0 {
                return Err(format!("the code object at {:#x} is strange", code.address));
            }
        }
        // As one that reads its words would.
        CodeLayout::from_words(&layout.to_words()).map_err(|why| why.to_string())
    }

    fn size(&self) -> usize {
        let sizes = self.sample.codes.iter().map(|code| code.image.len());
        sizes.min().unwrap_or(0)
    }

    /// Where all code objects have an object of this type.
    fn all_of(&self, class: u64) -> Vec<u32> {
        let offsets: Range<u32> = self.anchors.head() as u32..self.size() as u32 / 8 * 8;
        let is_of = |code: &CodeAt, offset| {
            let object = word(code, offset);
            object.is_multiple_of(8)
                && object > 4096
                && self
                    .pages
                    .word(object.wrapping_add(self.anchors.type_word().into()))
                    == Some(class)
        };
        offsets
            .step_by(8)
            .filter(|&offset| self.sample.codes.iter().all(|code| is_of(code, offset)))
            .collect()
    }

    fn text_at(&self, code: &CodeAt, offset: u32) -> Option<String> {
        let text = word(code, offset);
        self.text
            .read(self.pages, self.anchors.type_word(), "text", text)
            .ok()
    }

    fn bytes_at(&self, bytes: BytesLayout, code: &CodeAt, offset: u32) -> Option<Vec<u8>> {
        let object = word(code, offset);
        bytes
            .read(self.pages, self.anchors.type_word(), "table", object)
            .ok()
    }
}

fn word(code: &CodeAt, offset: u32) -> u64 {
    let bytes = code.image.get(offset as usize..).unwrap_or(&[]);
    bytes
        .first_chunk()
        .map_or(0, |word| u64::from_ne_bytes(*word))
}

fn half(code: &CodeAt, offset: usize) -> u32 {
    let bytes = code.image.get(offset..).unwrap_or(&[]);
    bytes
        .first_chunk()
        .map_or(0, |half| u32::from_ne_bytes(*half))
}

//! The modules that an interpreter has imported.

use super::anchors::Anchors;
use super::dict;
use super::pages::Pages;
use super::states::INTERPRETER_WORDS;

/// In a module object, its dict is one of these words.
const MODULE_WORDS: usize = 8;
/// Fewer modules than this are not all that there are: importing itself needs more.
const FEWEST: usize = 8;

/// One module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Imported {
    /// Its name as `sys.modules` has it: the address of a `str`.
    pub(crate) name: u64,
    pub(crate) module: u64,
}

impl Imported {
    /// The names and values of what is in it; `None` where it changed while it was read.
    pub(crate) fn items(self, pages: &Pages, anchors: &Anchors) -> Option<Vec<(u64, u64)>> {
        let words = pages.words(self.module, MODULE_WORDS).into_iter();
        let mut dicts = words
            .skip(2)
            .filter(|&word| anchors.dict.is_of(pages, word));
        dict::items(pages, anchors, dicts.next()?)
    }
}

/// What is in `sys.modules` of this interpreter: the one dict that it points to whose
/// values are modules.
///
/// # Errors
/// That it was not found; another try may help, since an import may be going on.
pub(crate) fn find(
    pages: &Pages,
    anchors: &Anchors,
    interpreter: u64,
) -> Result<Vec<Imported>, String> {
    let words = pages.words(interpreter, INTERPRETER_WORDS);
    let dicts = words
        .iter()
        .filter_map(|&word| dict::items(pages, anchors, word));
    let modules = dicts.map(|items| of_items(pages, anchors, &items));
    let most = modules.max_by_key(Vec::len).unwrap_or_default();
    match most.len() >= FEWEST {
        true => Ok(most),
        false => Err("its imported modules were not found".into()),
    }
}

/// The modules among the values of a dict, if nearly all are modules. Some programs put
/// other objects into `sys.modules`.
fn of_items(pages: &Pages, anchors: &Anchors, items: &[(u64, u64)]) -> Vec<Imported> {
    let modules = items.iter().filter(|&&(key, value)| {
        anchors.text.is_of(pages, key) && anchors.module.is_of(pages, value)
    });
    let modules: Vec<Imported> = modules
        .map(|&(name, module)| Imported { name, module })
        .collect();
    match modules.len() * 2 < items.len() {
        true => Vec::new(),
        false => modules,
    }
}

//! The code objects that a layout is found in, and those it is proved with.

use std::ffi::{CStr, CString};

use super::Doubt;
use crate::object::{CodeObject, Object, Objects};

/// Functions of all sorts: what makes line tables go backwards, skip, repeat
/// and stop; nested and not. All names are ASCII: for others, the compiler
/// would import a module.
const SHAPES: &str = r#"
def plain(a, b):
    total = a + b
    for item in range(
        total,
        a
    ):
        total = (
            item
            + b
        )
    return total


class Holder:
    attribute = 1

    def method(self, *parts):
        try:
            with self as inner:
                return inner.method(
                    *parts,
                    key=lambda part: (
                        part.name,
                        part.size,
                    ),
                )
        except (ValueError, KeyError) as error:
            raise RuntimeError("sample") from error
        finally:
            self.attribute = None

    class Inner:
        async def asynchronous(self):
            async with self as lock:
                async for one in lock:
                    yield [
                        await other
                        for other in one
                        if other
                    ]

        def looping(self):
            while self.ready:
                if not self:
                    continue
                elif self.done:
                    break
            else:
                del self.ready
            assert self, "sample"
            return {key: value for key, value in self.items()}


@plain
@Holder
def decorated(first, second=(
    1
)):
    import os.path as path
    global found
    found = f"{first}{second!r}{path}"
    def closure():
        nonlocal first
        first = yield from second
    return closure
"#;

/// A function with long steps, in bytes and in lines, both ways.
fn long_steps() -> String {
    let term = "a + b * c - ".repeat(30);
    let gap = "\n".repeat(400);
    format!(
        "def far(a, b, c):\n    a = {term} a\n{gap}    b = [\n{gap}        {term} b,{gap}\n    ]\n\
         {gap}    return a, b\n{gap}def last(): return far\n"
    )
}

/// Code objects made from source texts of this file; they never run.
pub(super) fn compiled<'o>(objects: &'o Objects<'o>) -> Result<Vec<CodeObject<'o>>, Doubt> {
    let mut found = Vec::new();
    let sources = [
        (SHAPES.to_owned(), c"<gilprof sample>"),
        (long_steps(), c"/gilprof/another sample.py"),
        ("def latin1(): pass".to_owned(), c"gr\u{f6}\u{df}e.py"),
        (
            "\ndef two_bytes(): pass".to_owned(),
            c"\u{6570}\u{3048}\u{308b}.py",
        ),
        ("\n\ndef four_bytes(): pass".to_owned(), c"\u{1f40d}.py"),
    ];
    for (source, file) in sources {
        let source = CString::new(source).map_err(|why| why.to_string())?;
        let module = objects.compile(&source, file);
        collect(module.ok_or("the sample does not compile")?, &mut found);
    }
    Ok(found)
}

/// A code object and those among its constants. A source text is nested only
/// so deep.
fn collect<'o>(object: Object<'o>, found: &mut Vec<CodeObject<'o>>) {
    let Some(code) = object.into_code() else {
        return;
    };
    let constants = code.attribute(c"co_consts");
    found.push(code);
    let constants = constants.iter().flat_map(Object::items);
    constants.for_each(|constant| collect(constant, found));
}

/// Functions of the standard library; those whose module is not imported, or
/// that a program has replaced, are left out.
const FUNCTIONS: [(&CStr, &[&CStr]); 14] = [
    (c"_frozen_importlib", &[c"_find_and_load"]),
    (c"_frozen_importlib", &[c"ModuleSpec", c"__init__"]),
    (c"_frozen_importlib_external", &[c"cache_from_source"]),
    (c"os", &[c"path", c"join"]),
    (c"os", &[c"makedirs"]),
    (c"os", &[c"walk"]),
    (c"codecs", &[c"BufferedIncrementalDecoder", c"decode"]),
    (c"threading", &[c"Thread", c"run"]),
    (c"threading", &[c"Thread", c"_bootstrap_inner"]),
    (c"threading", &[c"Condition", c"wait"]),
    (c"re", &[c"compile"]),
    (c"json", &[c"loads"]),
    (c"functools", &[c"lru_cache"]),
    (c"collections", &[c"namedtuple"]),
];

/// Code objects of modules that the program has imported.
pub(super) fn loaded<'o>(objects: &'o Objects<'o>) -> Vec<CodeObject<'o>> {
    let functions = FUNCTIONS.iter().filter_map(|(module, path)| {
        let module = objects.module(module)?;
        let function = path
            .iter()
            .try_fold(module, |object, name| object.attribute(name))?;
        function.attribute(c"__code__")?.into_code()
    });
    functions.collect()
}

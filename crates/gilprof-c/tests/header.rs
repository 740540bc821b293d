//! The header is what the source says.
#![allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]

use std::fs;
use std::path::Path;

#[test]
fn the_header_is_what_the_source_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let sources = ["error", "text", "recording", "span", "thread"];
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = sources.iter().fold(builder, |builder, name| {
        builder.with_src(folder.join("src").join(name).with_extension("rs"))
    });
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gilprof.h");
    builder.generate().unwrap().write_to_file(&written);
    let header = folder.join("include/gilprof.h");
    let is_same = fs::read_to_string(&header).ok() == fs::read_to_string(&written).ok();
    assert!(
        is_same,
        "the source has changed: cp {} {}",
        written.display(),
        header.display()
    );
}

//! Names of functions as their authors wrote them.

/// What a symbol is called: C++ and Rust names are read, without parameters and
/// hashes; the suffixes of the compiler's parts of a function are cut off.
pub(crate) fn readable(symbol: &[u8]) -> String {
    let symbol = String::from_utf8_lossy(symbol);
    if let Ok(name) = rustc_demangle::try_demangle(&symbol) {
        return format!("{name:#}");
    }
    let options = cpp_demangle::DemangleOptions::new()
        .no_params()
        .no_return_type();
    let read = cpp_demangle::Symbol::new(symbol.as_ref());
    let read = read
        .ok()
        .and_then(|name| name.demangle_with_options(&options).ok());
    read.unwrap_or_else(|| plain(&symbol).into())
}

/// Without what GCC appends to a part or a copy of a function: `f.part.0`, `f.cold`,
/// `f.constprop.0.isra.0`.
fn plain(symbol: &str) -> &str {
    match symbol.find('.') {
        Some(dot) if dot > 0 => &symbol[..dot],
        _ => symbol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_in_the_source() {
        let names = [
            "list_concat",
            "list_sort_impl.isra.0",
            "_PyEval_EvalFrameDefault.cold",
            "_ZN3foo3barEi",
            "_ZN4core3fmt5write17h0123456789abcdefE",
        ];
        assert_eq!(
            names.map(|name| readable(name.as_bytes())),
            [
                "list_concat",
                "list_sort_impl",
                "_PyEval_EvalFrameDefault",
                "foo::bar",
                "core::fmt::write",
            ]
        );
    }
}

//! The `gilprof` program.
#![forbid(unsafe_code)]

fn main() {
    std::process::exit(gilprof_cli::main(std::env::args_os()));
}

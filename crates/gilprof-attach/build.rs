//! Builds the payload, which this crate carries with it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates that the payload is made of.
const SOURCES: [&str; 5] = ["core", "region", "code", "probe", "payload"];

/// It has no library and no start-up code: who loads it resolves what it needs. GNU's
/// linker leaves out all that the hooks do not reach; LLD keeps what unwinding would need.
const FLAGS: [&str; 3] = [
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-Wl,-z,norelro",
    "-Clink-arg=-fuse-ld=bfd",
];

fn main() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for name in SOURCES {
        let source = crates.join(format!("gilprof-{name}"));
        println!("cargo::rerun-if-changed={}", source.join("src").display());
        println!(
            "cargo::rerun-if-changed={}",
            source.join("Cargo.toml").display()
        );
    }
    for name in ["Cargo.toml", "Cargo.lock"] {
        println!(
            "cargo::rerun-if-changed={}",
            crates.join("..").join(name).display()
        );
    }
    let out = PathBuf::from(variable("OUT_DIR"));
    let target = variable("TARGET");
    let payload = match target.as_str() {
        "x86_64-unknown-linux-gnu" => build(&crates, &out, &target),
        // There the crate says that it cannot attach.
        _ => Vec::new(),
    };
    std::fs::write(out.join("payload.so"), payload).expect("OUT_DIR can be written");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

/// A build of its own, in a folder of its own: the payload has another profile, and what
/// the build around this one asks of compiler and linker is not for it.
fn build(crates: &Path, out: &Path, target: &str) -> Vec<u8> {
    let folder = out.join("payload");
    let built = Command::new(variable("CARGO"))
        .args([
            "build",
            "--locked",
            "--offline",
            "--lib",
            "--package",
            "gilprof-payload",
        ])
        .args(["--profile", "payload", "--target", target, "--target-dir"])
        .arg(&folder)
        .arg("--manifest-path")
        .arg(crates.join("../Cargo.toml"))
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_BUILD_TARGET_DIR")
        .env_remove("CARGO_TARGET_DIR")
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the payload does not build");
    let file = folder.join(target).join("payload/libgilprof_payload.so");
    std::fs::read(file).expect("cargo has built it")
}

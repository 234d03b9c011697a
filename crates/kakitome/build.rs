//! Writes down which crates the program is built of, for its own list of software (clause 4.3(1)): as cargo resolves them for the
//! target and the features of the program, without those that only run at build.

#![allow(clippy::print_stdout)]

use std::{env, fs, path::PathBuf, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    println!("cargo::rerun-if-changed=../../Cargo.toml");
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var("TARGET").unwrap_or_default();
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--package",
            "kakitome",
            "--edges",
            "normal,no-proc-macro",
        ])
        .args(["--target", &target, "--prefix", "none", "--format", "{p}"])
        .output();
    let listed = match output {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => panic!(
            "cargo tree failed: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("cargo tree cannot be run: {error}"),
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    if let Err(error) = fs::write(out.join("components.txt"), listed) {
        panic!("the list of components cannot be written: {error}");
    }
}

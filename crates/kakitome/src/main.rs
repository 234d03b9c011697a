//! The `kakitome` binary; its body is the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    kakitome::main()
}

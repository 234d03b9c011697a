//! The program that holds YARA rules against messages, as a process without rights: see room `yara`. The server starts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    yara::run()
}

//! The program that looks into attachments, as a process without rights: see room `scanner`. The server starts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    scanner::run()
}

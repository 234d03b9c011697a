//! Writes the page `docs/events.md`: `cargo run -q -p trail --example events > docs/events.md`.

#![allow(clippy::print_stdout, reason = "the page is its output")]

fn main() {
    print!("{}", trail::schema::document::document());
}

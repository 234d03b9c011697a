//! Writes the page `docs/events.md`: `cargo run -q -p trail --example events > docs/events.md`.

fn main() {
    print!("{}", trail::schema::document::document());
}

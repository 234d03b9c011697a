//! Kakitome.
fn main() {}

//! Prints `docs/clauses.md`.

use std::{error::Error, io::Write};

fn main() -> Result<(), Box<dyn Error>> {
    let regulation = regulation::Regulation::built_in()?;
    let page = regulation::listing(&regulation);
    std::io::stdout().lock().write_all(page.as_bytes())?;
    Ok(())
}

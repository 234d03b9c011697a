//! `account letter`: clause 7.1(1)c.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use directory::command::{Caller, CommandError, letter};
use serde_json::json;
use trail::analysis::Language;

use super::{Answer, Failure, audit::verify::must_be_absolute};
use crate::{cli::LetterArgs, site::Site};

pub(super) async fn run(
    site: &Site,
    caller: &Caller,
    words: LetterArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    if let Some(receipt) = &words.handed_over {
        return Ok(letter::hand(caller, &words.address, receipt).await?);
    }
    let made = make(site, caller, &words, |_| {}).await?;
    answer
        .row(&json!({
            "letter": made.number,
            "identifier": made.identifier,
            "file": words.to.map(|file| file.display().to_string()),
            "sha256": made.sha256,
        }))
        .await?;
    answer
        .note(
            "Print it once, remove the file, and hand the letter over sealed and in person; then `account letter … --handed-over`.",
        )
        .await;
    Ok(())
}

/// Makes a letter in the file that `words` name. `opened` hears what whoever opens the letter reads in it: the demo's people have no
/// other way to their passwords.
///
/// # Errors
/// [`Failure`]; then no letter is left.
pub(crate) async fn make(
    site: &Site,
    caller: &Caller,
    words: &LetterArgs,
    opened: impl FnOnce(&str) + Send,
) -> Result<letter::Made, Failure> {
    let file = words
        .to
        .as_deref()
        .ok_or_else(|| Failure::Words("--to names the file to make".to_owned()))?;
    must_be_absolute(file)?;
    let language = match words.lang.as_str() {
        "en" => Language::En,
        _ => Language::Ja,
    };
    let host = site.settings().server.hostname.get_ref().clone();
    let print = |facts: &letter::Facts, password: &str| {
        opened(password);
        crate::letter::draw(facts, password, &host, language)
    };
    let mut written = false;
    let keep = |bytes: &[u8]| {
        let kept = write_private(file, bytes);
        written = kept.is_ok();
        kept.map_err(|error| CommandError::Argument(format!("{}: {error}", file.display())))
    };
    let again = words.again.as_deref();
    let made = letter::make(caller, &words.address, again, print, keep).await;
    if made.is_err() && written {
        // It tells a password that nothing opens.
        fs::remove_file(file).map_err(|error| {
            Failure::Failed(format!("{}, which is void: {error}", file.display()))
        })?;
    }
    Ok(made?)
}

/// Writes a file that must not be there yet and that nobody else may read.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // Its name too: once the password is in force, there is no other copy of it.
    path.parent()
        .map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}

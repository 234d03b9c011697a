//! `account letter`: clause 7.1(1)c.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use directory::command::{Caller, CommandError, letter};
use serde_json::json;
use store::event::Filter;
use trail::{Kind, analysis::Language};

use super::{Answer, Failure, access::Telling, audit::verify::must_be_absolute, on_behalf};
use crate::{cli::LetterArgs, site::Site, usage};

pub(super) async fn run(
    site: &Site,
    caller: &Caller,
    words: LetterArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    if let Some(receipt) = &words.handed_over {
        let identifier = letter::hand(caller, &words.address, receipt).await?;
        for left in lying(site, Some(identifier)).await? {
            answer.note(format!("Remove the file: {left}.")).await;
        }
        return Ok(());
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
    let settings = site.settings();
    let (host, zone) = (settings.server.hostname.get_ref().clone(), settings.zone());
    let print = |facts: &letter::Facts, password: &str| {
        opened(password);
        crate::letter::draw(facts, password, &host, language, &zone)
    };
    let mut written = false;
    let keep = |bytes: &[u8]| {
        let kept = write_private(file, bytes);
        written = kept.is_ok();
        kept.map_err(|error| CommandError::Argument(format!("{}: {error}", file.display())))
    };
    let again = (words.again.as_deref(), words.order);
    let name = file.display().to_string();
    let message = match letter::is_first(&site.directory, &words.address).await? {
        true => on_behalf::nobody(),
        false => on_behalf::notice(site, on_behalf::Act::Letter, &words.address).await?,
    };
    let by = Telling::new(site, message);
    let making = letter::make(caller, (&words.address, &name), again, (print, keep), by);
    let made = making.await;
    if made.is_err() && written {
        // It tells a password that nothing opens.
        fs::remove_file(file).map_err(|error| {
            Failure::Failed(format!("{}, which is void: {error}", file.display()))
        })?;
    }
    Ok(made?)
}

/// How far back letters are looked for whose file may still be there.
const A_SEASON: jiff::SignedDuration = jiff::SignedDuration::from_hours(90 * 24);

/// Letters whose file is still where it was written to, each in words for whoever looks at the site's state.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn left_lying(site: &Site) -> Result<Vec<String>, Failure> {
    let lying = lying(site, None).await?;
    let told = lying.into_iter().map(|left| {
        format!("{left}: print it, remove the file, and hand the letter over (clause 7.1(1)c)")
    });
    Ok(told.collect())
}

async fn lying(site: &Site, subject: Option<String>) -> Result<Vec<String>, Failure> {
    let filter = Filter {
        subject,
        kinds: vec![Kind::LetterMade],
        from: site.world.now().checked_sub(A_SEASON).ok(),
        ..Filter::default()
    };
    let text = |of: &trail::Event, name: &str| {
        let text = of.detail.get(name).and_then(|text| text.as_str());
        text.unwrap_or_default().to_owned()
    };
    let mut left = Vec::new();
    let look = |one: &trail::Recorded| {
        let (file, sha256) = (text(&one.event, "file"), text(&one.event, "sha256"));
        if !file.is_empty() && is_there(Path::new(&file), &sha256) {
            let of = &one.event.subject;
            left.push(format!(
                "the letter to {of} with its password still lies in {file}"
            ));
        }
    };
    usage::each(site, filter, look).await?;
    Ok(left)
}

/// Octets of a file that is looked into: letters are far smaller.
const MOST_OCTETS: u64 = 4 << 20;

/// Whether the file is there and is that letter. One that cannot be read is not told of: it may be anything.
fn is_there(file: &Path, sha256: &str) -> bool {
    let small = fs::metadata(file).is_ok_and(|file| file.is_file() && file.len() <= MOST_OCTETS);
    small
        && fs::read(file).is_ok_and(|found| {
            trail::volume::hex(&trail::merkle::sha256(&[found.as_slice()])) == sha256
        })
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

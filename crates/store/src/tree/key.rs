//! The key that signs the trail's checkpoints: `keys/trail.key`, with the name of the log.

use std::path::Path;

use trail::note::{self, SigningKey};
use world::World;
use zeroize::Zeroizing;

use crate::{Error, disk::Disk, keys};

const FIRST_LINE: &str = "kakitome trail key 1";
/// The name of its file.
pub(crate) const FILE: &str = "trail.key";

/// Reads the key, or makes it when `fresh` says that the trail has no checkpoints yet. The log of a new key is called
/// `origin`, with something that no other log has behind it.
pub(crate) fn open(
    disk: &dyn Disk,
    directory: &Path,
    fresh: bool,
    origin: &str,
    world: &World,
) -> Result<SigningKey, Error> {
    let path = directory.join(FILE);
    let bad = |reason: &str| Error::KeyFile {
        path: path.clone(),
        reason: reason.to_owned(),
    };
    if let Some(text) = keys::read_text(disk, &path)? {
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(bad("not a trail key of a format that this program knows"));
        }
        let (name, key) = (lines.next(), lines.next().and_then(keys::from_hex));
        let (Some(name), Some(key)) = (name, key) else {
            return Err(bad("the key is damaged: bring it back from a backup"));
        };
        return SigningKey::new(name, &key).map_err(|error| bad(&error.to_string()));
    }
    if !fresh {
        return Err(bad(
            "missing: bring it back from a backup, for without it the audit trail cannot go on",
        ));
    }
    let mark: [u8; 4] = world.bytes();
    let name = format!("{origin}/trail-{}", keys::to_hex(&mark).as_str());
    if !note::is_name(&name) {
        return Err(bad(&format!("{origin:?} cannot be the name of a log")));
    }
    let seed = Zeroizing::new(world.bytes::<32>());
    let text = Zeroizing::new(format!(
        "{FIRST_LINE}\n{name}\n{}\n",
        keys::to_hex(seed.as_slice()).as_str()
    ));
    keys::write_text(disk, directory, &path, &text)?;
    SigningKey::new(&name, &seed).map_err(|error| bad(&error.to_string()))
}

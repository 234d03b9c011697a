//! Checkpoints (C2SP tlog-checkpoint): the size and root of the trail's tree at one moment, to be signed.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    merkle::Hash,
    note::{NoteError, SigningKey, VerifierKey},
};

/// A tree, as a checkpoint tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log it is; the name of its key too.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text of the note: three lines.
    #[must_use]
    pub fn text(&self) -> String {
        let root = BASE64_STANDARD.encode(self.root);
        format!("{}\n{}\n{root}\n", self.origin, self.size)
    }

    /// The signed note. The key's name is to be the origin.
    #[must_use]
    pub fn signed(&self, key: &SigningKey) -> String {
        key.sign(&self.text())
    }

    /// What a note says that `key` signed. Lines after the third are for others.
    ///
    /// # Errors
    /// When it is no note of this key, no checkpoint, or one of another log.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        let text = key.open(note)?;
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Malformed("a checkpoint has three lines"));
        };
        if origin != key.name() {
            return Err(NoteError::Malformed("it is a checkpoint of another log"));
        }
        let number: u64 = size
            .parse()
            .map_err(|_| NoteError::Malformed("the size of a checkpoint is a number"))?;
        if number.to_string() != size {
            return Err(NoteError::Malformed("the size of a checkpoint is a number"));
        }
        let bad = NoteError::Malformed("the root of a checkpoint is 32 octets in base64");
        let root = BASE64_STANDARD.decode(root).map_err(|_| bad.clone())?;
        Ok(Self {
            origin: origin.to_owned(),
            size: number,
            root: root.try_into().map_err(|_| bad)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_checkpoint_says_what_was_signed() {
        let key = SigningKey::new("mail.example/trail", &[7; 32]).unwrap();
        let checkpoint = Checkpoint {
            origin: "mail.example/trail".to_owned(),
            size: 20_852_163,
            root: [9; 32],
        };
        let note = checkpoint.signed(&key);
        assert_eq!(
            Checkpoint::open(&note, &key.verifier()).unwrap(),
            checkpoint
        );
        let open = |text: &str| Checkpoint::open(&key.sign(text), &key.verifier());
        assert!(open(&format!("{}more\n", checkpoint.text())).is_ok());
        let text = checkpoint.text();
        for bad in [
            text.replace("20852163", "020852163"),
            text.replace("20852163", "-1"),
            text.replace("mail", "post"),
            text.replace("CQ", "C"),
            "mail.example/trail\n1\n".to_owned(),
        ] {
            assert!(open(&bad).is_err(), "{bad}");
        }
    }
}

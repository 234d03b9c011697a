//! What reports are packed in: gzip, a zip file, or nothing. In bounds, whatever they say of their own size.

use std::io::{Read, Write};

use flate2::{
    Compression,
    read::{DeflateDecoder, GzDecoder},
    write::GzEncoder,
};
use message::{
    Limits,
    mime::{Part, Structure},
};

/// Why nothing was unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnpackError {
    /// It is not what it begins as, or ends early.
    #[error("it is damaged")]
    Damaged,
    /// More comes out than any report has.
    #[error("more than {0} octets come out of it")]
    TooLarge(usize),
    /// A zip file in a way that no reporter writes.
    #[error("its first file is packed in a way that is not read here")]
    Method,
    /// A zip file that wants a password.
    #[error("it is encrypted")]
    Encrypted,
}

/// A zip file's first header (APPNOTE, section 4.3.7).
const ZIP: &[u8] = b"PK\x03\x04";
const ZIP_HEADER: usize = 30;
const GZIP: &[u8] = &[0x1f, 0x8b];

/// What is in `octets`, if it is no longer than `most`.
///
/// # Errors
/// Why nothing was unpacked.
pub(crate) fn unpacked(octets: &[u8], most: usize) -> Result<Vec<u8>, UnpackError> {
    if octets.starts_with(GZIP) {
        bounded(GzDecoder::new(octets), most)
    } else if octets.starts_with(ZIP) {
        first_file(octets, most)
    } else if octets.len() > most {
        Err(UnpackError::TooLarge(most))
    } else {
        Ok(octets.to_vec())
    }
}

/// The first file: a report's is the only one. Its stream says where it ends, so the directory at the end is not needed.
fn first_file(octets: &[u8], most: usize) -> Result<Vec<u8>, UnpackError> {
    let number = |at: usize| {
        let pair = octets.get(at..at.saturating_add(2));
        let pair: Option<[u8; 2]> = pair.and_then(|pair| pair.try_into().ok());
        pair.map(u16::from_le_bytes).ok_or(UnpackError::Damaged)
    };
    let (flags, method) = (number(6)?, number(8)?);
    if flags & 1 != 0 {
        return Err(UnpackError::Encrypted);
    }
    let (name, extra) = (usize::from(number(26)?), usize::from(number(28)?));
    let begin = ZIP_HEADER.saturating_add(name).saturating_add(extra);
    let data = octets.get(begin..).ok_or(UnpackError::Damaged)?;
    match method {
        8 => bounded(DeflateDecoder::new(data), most),
        // Stored, with its size before it.
        0 if flags & 8 == 0 => {
            let size = u32::from(number(18)?) | (u32::from(number(20)?) << 16);
            let size = usize::try_from(size).map_err(|_| UnpackError::TooLarge(most))?;
            if size > most {
                return Err(UnpackError::TooLarge(most));
            }
            let data = data.get(..size).ok_or(UnpackError::Damaged)?;
            Ok(data.to_vec())
        }
        _ => Err(UnpackError::Method),
    }
}

fn bounded(packed: impl Read, most: usize) -> Result<Vec<u8>, UnpackError> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    let mut out = Vec::new();
    let read = packed.take(limit.saturating_add(1)).read_to_end(&mut out);
    read.map_err(|_| UnpackError::Damaged)?;
    match out.len() > most {
        true => Err(UnpackError::TooLarge(most)),
        false => Ok(out),
    }
}

/// `octets`, packed by gzip.
pub(crate) fn packed(octets: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    // Writing into memory cannot fail.
    let written = packer.write_all(octets);
    debug_assert!(written.is_ok());
    packer.finish().unwrap_or_default()
}

/// Octets of a message that is read as a report.
const MOST_MESSAGE: usize = 32 << 20;
/// Parts of one message that are looked at.
const MOST_PARTS: usize = 50;
/// Characters of a name that a reporter wrote.
const MOST_NAME: usize = 200;

/// What a message has of a report.
pub(crate) enum Attached {
    /// Its text, and the file's name.
    Found(Vec<u8>, Option<String>),
    /// Something that cannot be read: why, and the file's name.
    Unreadable(String, Option<String>),
    /// Nothing, in words.
    Nothing(String),
}

/// The first part of a message that `is_it`, unpacked, if it is no longer than `most` then.
pub(crate) fn attached(raw: &[u8], is_it: impl Fn(&Part) -> bool, most: usize) -> Attached {
    if raw.len() > MOST_MESSAGE {
        return Attached::Unreadable("the message is too large".to_owned(), None);
    }
    let structure = Structure::parse(raw, &Limits::default());
    let parts = structure.root.walk();
    let Some(part) = parts.into_iter().take(MOST_PARTS).find(|part| is_it(part)) else {
        return Attached::Nothing("no part of it is a report".to_owned());
    };
    let name = part.filename().map(|name| shown(&name));
    let Some(octets) = part.decoded_body(raw) else {
        let why = "its transfer encoding is not known".to_owned();
        return Attached::Unreadable(why, name);
    };
    match unpacked(&octets, most) {
        Ok(text) => Attached::Found(text, name),
        Err(error) => Attached::Unreadable(error.to_string(), name),
    }
}

/// A name that somebody wrote, as one word.
pub(crate) fn name(text: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "-_.".contains(c) => c,
        _ => '?',
    };
    match text {
        "" => "?".to_owned(),
        text => text.chars().map(plain).take(MOST_NAME).collect(),
    }
}

/// Words that somebody wrote, in one line.
pub(crate) fn shown(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(MOST_NAME).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use flate2::write::DeflateEncoder;

    use super::*;

    const MOST: usize = 1 << 20;

    fn gzip(octets: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(octets).unwrap();
        packer.finish().unwrap()
    }

    fn zip(flags: u16, method: u16, size: u32, data: &[u8]) -> Vec<u8> {
        let mut file = ZIP.to_vec();
        file.extend(20_u16.to_le_bytes());
        file.extend(flags.to_le_bytes());
        file.extend(method.to_le_bytes());
        file.extend([0; 8]);
        file.extend(size.to_le_bytes());
        file.extend([0; 4]);
        file.extend(1_u16.to_le_bytes());
        file.extend(0_u16.to_le_bytes());
        file.push(b'x');
        file.extend(data);
        file.extend(b"PK\x01\x02 whatever follows");
        file
    }

    #[test]
    fn each_way_of_packing_is_read() {
        let xml = b"<feedback/>";
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
        packer.write_all(xml).unwrap();
        let deflated = packer.finish().unwrap();
        for packed in [
            xml.to_vec(),
            gzip(xml),
            zip(8, 8, 0, &deflated),
            zip(0, 0, 11, xml),
        ] {
            assert_eq!(unpacked(&packed, MOST), Ok(xml.to_vec()));
        }
    }

    #[test]
    fn what_cannot_be_unpacked_says_why() {
        let bomb = gzip(&vec![b'a'; MOST + 1]);
        assert!(bomb.len() < 100_000);
        for (packed, why) in [
            (bomb, UnpackError::TooLarge(MOST)),
            (zip(1, 8, 0, b""), UnpackError::Encrypted),
            (zip(0, 99, 0, b""), UnpackError::Method),
            (zip(8, 0, 0, b""), UnpackError::Method),
            (zip(0, 0, u32::MAX, b"x"), UnpackError::TooLarge(MOST)),
            (zip(0, 0, 1000, b"x"), UnpackError::Damaged),
            (ZIP.to_vec(), UnpackError::Damaged),
            (
                gzip(b"whole").get(..12).unwrap().to_vec(),
                UnpackError::Damaged,
            ),
        ] {
            assert_eq!(unpacked(&packed, MOST), Err(why));
        }
    }

    #[test]
    fn bombs_cost_no_more_than_their_bounds() {
        // Within each other: the outer one is small enough, and nothing that lies in it is opened.
        let inner = gzip(&vec![0; 8 << 20]);
        let nested = gzip(&inner);
        assert_eq!(unpacked(&nested, MOST), Ok(inner));
        // As deflate can at most, a thousand to one: no more than one octet beyond the bound is unpacked.
        let zeros = vec![0; 64 << 20];
        let bomb = gzip(&zeros);
        assert!(bomb.len() * 900 < zeros.len(), "{}", bomb.len());
        assert_eq!(unpacked(&bomb, MOST), Err(UnpackError::TooLarge(MOST)));
        // Blocks that hold nothing, of which there are any number, give nothing in time that grows with what came.
        let mut empty = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        for _ in 0..200_000 {
            empty.extend([0, 0, 0, 0xff, 0xff]);
        }
        assert_eq!(unpacked(&empty, MOST), Err(UnpackError::Damaged));
        // A second member, and a zip file's second file, are not looked at.
        let two = [gzip(b"one"), gzip(b"two")].concat();
        assert_eq!(unpacked(&two, MOST), Ok(b"one".to_vec()));
    }
}

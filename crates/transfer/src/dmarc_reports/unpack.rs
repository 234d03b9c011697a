//! What a report is packed in: gzip, a zip file, or nothing. In bounds, whatever it says of its own size.

use std::io::Read;

use flate2::read::{DeflateDecoder, GzDecoder};
use message::dmarc_report::MOST_OCTETS;

/// Why nothing was unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnpackError {
    /// It is not what it begins as, or ends early.
    #[error("it is damaged")]
    Damaged,
    /// More comes out than any report has.
    #[error("more than {MOST_OCTETS} octets come out of it")]
    TooLarge,
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

/// The XML in `octets`.
pub(super) fn unpacked(octets: &[u8]) -> Result<Vec<u8>, UnpackError> {
    if octets.starts_with(GZIP) {
        bounded(GzDecoder::new(octets))
    } else if octets.starts_with(ZIP) {
        first_file(octets)
    } else if octets.len() > MOST_OCTETS {
        Err(UnpackError::TooLarge)
    } else {
        Ok(octets.to_vec())
    }
}

/// The first file: a report's is the only one. Its stream says where it ends, so the directory at the end is not needed.
fn first_file(octets: &[u8]) -> Result<Vec<u8>, UnpackError> {
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
        8 => bounded(DeflateDecoder::new(data)),
        // Stored, with its size before it.
        0 if flags & 8 == 0 => {
            let size = u32::from(number(18)?) | (u32::from(number(20)?) << 16);
            let size = usize::try_from(size).map_err(|_| UnpackError::TooLarge)?;
            if size > MOST_OCTETS {
                return Err(UnpackError::TooLarge);
            }
            let data = data.get(..size).ok_or(UnpackError::Damaged)?;
            Ok(data.to_vec())
        }
        _ => Err(UnpackError::Method),
    }
}

fn bounded(packed: impl Read) -> Result<Vec<u8>, UnpackError> {
    let most = u64::try_from(MOST_OCTETS).unwrap_or(u64::MAX);
    let mut out = Vec::new();
    let read = packed.take(most.saturating_add(1)).read_to_end(&mut out);
    read.map_err(|_| UnpackError::Damaged)?;
    match out.len() > MOST_OCTETS {
        true => Err(UnpackError::TooLarge),
        false => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder},
    };

    use super::*;

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
            assert_eq!(unpacked(&packed), Ok(xml.to_vec()));
        }
    }

    #[test]
    fn what_cannot_be_unpacked_says_why() {
        let bomb = gzip(&vec![b'a'; MOST_OCTETS + 1]);
        assert!(bomb.len() < 100_000);
        for (packed, why) in [
            (bomb, UnpackError::TooLarge),
            (zip(1, 8, 0, b""), UnpackError::Encrypted),
            (zip(0, 99, 0, b""), UnpackError::Method),
            (zip(8, 0, 0, b""), UnpackError::Method),
            (zip(0, 0, u32::MAX, b"x"), UnpackError::TooLarge),
            (zip(0, 0, 1000, b"x"), UnpackError::Damaged),
            (ZIP.to_vec(), UnpackError::Damaged),
            (
                gzip(b"whole").get(..12).unwrap().to_vec(),
                UnpackError::Damaged,
            ),
        ] {
            assert_eq!(unpacked(&packed), Err(why));
        }
    }
}

//! Files that are held against what a manifest says of them while they are read.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use aws_lc_rs::digest::{Context, SHA256};

use crate::volume::FileOf;

/// Octets of one line at most: an event has some tens of thousands.
const LONGEST_LINE: u64 = 1 << 20;

/// A file that is digested as it is read.
pub(crate) struct Digested<R> {
    inner: R,
    context: Context,
    octets: u64,
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.context.update(buffer.get(..count).unwrap_or_default());
        self.octets += count as u64;
        Ok(count)
    }
}

impl<R: Read> Digested<R> {
    /// What is wrong with the file, once it was read to its end; `told` is what the manifest says of it.
    pub(crate) fn fault(mut self, told: Option<&FileOf>) -> Option<String> {
        // What a reader left behind the end of what it understood belongs to the file too.
        let rest = io::copy(&mut self, &mut io::sink());
        match (told, rest) {
            (_, Err(error)) => Some(format!("cannot be read: {error}")),
            (None, _) => Some("is not named in the manifest".to_owned()),
            (Some(file), _) if file.octets != self.octets => Some(format!(
                "has {} octets instead of {}",
                self.octets, file.octets
            )),
            (Some(file), _) if self.context.finish().as_ref() != file.digest => {
                Some("is not the one that was signed".to_owned())
            }
            _ => None,
        }
    }
}

/// Opens a file to be digested.
pub(crate) fn open(path: &Path) -> io::Result<BufReader<Digested<File>>> {
    Ok(BufReader::new(Digested {
        inner: File::open(path)?,
        context: Context::new(&SHA256),
        octets: 0,
    }))
}

/// A whole file of at most `most` octets.
pub(crate) fn small(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    let taken = File::open(path)?
        .take(most.saturating_add(1))
        .read_to_string(&mut text)?;
    match taken as u64 > most {
        true => Err(io::Error::other(format!("it has more than {most} octets"))),
        false => Ok(text),
    }
}

/// The next line without its end; `None` at the end, and an error for one that has none or is too long.
pub(crate) fn next_line(reader: &mut impl BufRead) -> Option<io::Result<String>> {
    let mut line = String::new();
    match reader.take(LONGEST_LINE).read_line(&mut line) {
        Ok(0) => None,
        Ok(_) if line.ends_with('\n') => {
            line.pop();
            Some(Ok(line))
        }
        Ok(_) => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        Err(error) => Some(Err(error)),
    }
}

//! What a milter says, in pieces of any size; and the fields that it asks for, in a message of any form.
#![no_main]

use engines::{Edit, Packets, Reply, edited};
use libfuzzer_sys::fuzz_target;

const MESSAGE: &[u8] = b"From: a@b.example\r\nSubject: x\r\n y\r\n\r\nbody\r\n";

fuzz_target!(|octets: &[u8]| {
    let (piece, octets) = octets.split_first().unwrap_or((&1, &[]));
    let (mut packets, mut edits) = (Packets::default(), Vec::new());
    'all: for piece in octets.chunks(usize::from(*piece).max(1)) {
        packets.push(piece);
        loop {
            let edit = match packets.next_reply() {
                Ok(Some(Reply::AddField(name, value))) => Edit::add(&name, &value, false),
                Ok(Some(Reply::InsertField(at, name, value))) => {
                    Edit::insert(at, &name, &value, true)
                }
                Ok(Some(Reply::ChangeField(at, name, value))) => {
                    Edit::change(at, &name, &value, false)
                }
                Ok(Some(Reply::Words(words, is_permanent))) => {
                    assert!(words.starts_with(if is_permanent { '5' } else { '4' }));
                    assert!(words.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
                    continue;
                }
                Ok(Some(_)) => continue,
                Ok(None) => break,
                Err(_) => break 'all,
            };
            edits.extend(edit);
        }
    }
    let whole = edited(MESSAGE, &edits, None);
    assert!(whole.ends_with(b"\r\n\r\nbody\r\n") || whole == b"\r\nbody\r\n");
    // The body begins at the first empty line, and there only.
    let begins = whole.windows(4).position(|octets| octets == b"\r\n\r\n");
    assert!(begins.is_none_or(|at| whole.get(at..) == Some(b"\r\n\r\nbody\r\n")));
    // Whatever it is in a message that is none.
    assert!(!edited(octets, &edits, None).is_empty());
});

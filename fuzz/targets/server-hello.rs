//! What a server answers to a ClientHello of the probe.
#![no_main]

use libfuzzer_sys::fuzz_target;
use probe::{HelloAnswer, HelloReader, Malformed};

fuzz_target!(|octets: &[u8]| {
    let whole = read(std::iter::once(octets));
    assert_eq!(whole, read(fuzz::pieces(octets)), "cuts matter");
    assert_eq!(whole, read(octets.chunks(1)), "cuts matter");
});

/// The first answer, or why there is none.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Option<HelloAnswer>, Malformed> {
    let mut reader = HelloReader::default();
    for piece in pieces {
        match reader.feed(piece) {
            Ok(None) => {}
            ended => return ended,
        }
    }
    Ok(None)
}

//! Lines that a probed server says: read as replies of SMTP, and shown as evidence.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    for line in octets.split(|octet| *octet == b'\n') {
        if let Some((code, _, text)) = probe::reply_line(line) {
            assert!((200..600).contains(&code));
            assert!(line.ends_with(text));
        }
    }
    let shown = probe::escape(octets);
    assert!(
        shown.bytes().all(|octet| (0x20..=0x7e).contains(&octet)),
        "a terminal could obey it"
    );
    assert!(shown.len() <= octets.len().saturating_mul(4));
});

//! Feeds of vulnerabilities: the first octet chooses the format. Whatever they say is held against software, and stays within bounds.

#![no_main]

use std::io::Cursor;

use advisory::{
    Limits,
    feed::{Entry, Format, read},
    inventory::Item,
    matching::touches,
};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    unpacked: 1 << 20,
    document: 1 << 20,
    record: 1 << 16,
    records: 1000,
};

fuzz_target!(|octets: &[u8]| {
    let Some((first, feed)) = octets.split_first() else {
        return;
    };
    let format = Format::ALL[usize::from(*first) % Format::ALL.len()];
    let items = [
        Item::of_crate("rustls", "0.22.0"),
        Item::of_scanner("clamd", "1.0.4"),
    ];
    let mut heard = 0_u64;
    let reading = read(format, &mut Cursor::new(feed), &LIMITS, &mut |entry| {
        heard += 1;
        if let Entry::Advisory(advisory) = entry {
            assert!(advisory.title.chars().count() <= 301);
            for item in &items {
                drop(touches(&advisory, item));
            }
        }
    });
    if let Ok(reading) = reading {
        assert!(
            reading.records > 0 && heard <= reading.records && reading.records <= LIMITS.records
        );
    }
});

//! Archives, and whatever else an attachment is: what the scanner's process opens.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use malware::{Concern, Limits};

const LIMITS: Limits = Limits {
    depth: 4,
    entries: 50,
    entry_octets: 1 << 20,
    total_octets: 2 << 20,
    ratio: 200,
    name_characters: 128,
    time: Duration::from_secs(2),
};

/// A library that panics over an archive is caught, as in the scanner's process; a panic of our own is a finding.
fn forgive_libraries() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let file = panic.location().map_or("", |location| location.file());
        if file.starts_with("crates/") || file.starts_with("fuzz/") {
            usual(panic);
        }
    }));
}

// The first octet names the attachment, since what is opened depends on its name, too; the rest is what it holds.
fuzz_target!(init: forgive_libraries(), |octets: &[u8]| {
    let Some((first, data)) = octets.split_first() else {
        return;
    };
    let names = [
        "a.zip", "a.7z", "a.tar", "a.gz", "a.bz2", "a.xz", "a.lzh", "a.cab", "a.eml", "a.doc",
        "a.html", "a",
    ];
    let name = names
        .get(usize::from(*first) % names.len())
        .copied()
        .unwrap_or_default();
    let head = format!(
        "Content-Type: application/octet-stream; name=\"{name}\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    );
    let facts = scanner::inspect(&[head.as_bytes(), data].concat(), LIMITS);
    assert!(
        facts.leaves.len() <= 40 && facts.notes.len() <= 50,
        "{facts:?}"
    );
    assert!(facts.entries <= 60, "{facts:?}");
    let is_told = |concern: &Concern| facts.first(*concern).is_some();
    assert!(facts.concerns.iter().all(is_told), "{facts:?}");
    assert!(serde_json::to_string(&facts).is_ok());
});

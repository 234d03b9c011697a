//! `kakitome.toml`: whatever stands in it, there is an answer that a person can read.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    if let Ok(text) = std::str::from_utf8(octets)
        && let Some(fault) = kakitome::settings_fault(text)
    {
        assert!(!fault.trim().is_empty());
    }
});

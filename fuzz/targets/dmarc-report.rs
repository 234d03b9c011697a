//! Reports of DMARC: what is read can be written, and reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message::dmarc_report::Report;

fuzz_target!(|octets: &[u8]| {
    if let Ok(report) = Report::parse(octets)
        && let Ok(again) = Report::parse(report.to_xml("fuzz").as_bytes())
    {
        assert_eq!(again.rows.len(), report.rows.len());
    }
});

//! Reports about TLS, and the records that ask for them: what is read can be written, and reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message::tls_report::{Report, Request};

fuzz_target!(|octets: &[u8]| {
    // What grows beyond the bound when it is written is not read again.
    if let Ok(report) = Report::parse(octets)
        && let Ok(again) = Report::parse(report.to_json().as_bytes())
    {
        assert_eq!(again.policies, report.policies);
    }
    if let Ok(text) = std::str::from_utf8(octets)
        && let Some(request) = Request::of(&[text.to_owned()])
    {
        assert!(request.mail.len() + request.https.len() <= 10);
    }
});

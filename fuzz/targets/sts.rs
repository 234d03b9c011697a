//! What a domain demands of those who send it mail (MTA-STS): its policy and the record that tells of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use message::{
    Domain,
    sts::{Policy, id},
};

fuzz_target!(|octets: &[u8]| {
    let text = String::from_utf8_lossy(octets).into_owned();
    if let Ok(policy) = Policy::parse(&text) {
        // What is served reads back.
        assert_eq!(Policy::parse(&policy.to_text()).as_ref(), Ok(&policy));
        for pattern in &policy.mx {
            let host = pattern.replacen("*.", "a.", 1);
            if let Ok(host) = Domain::parse(&host) {
                assert!(policy.names(&host), "{pattern}");
            }
        }
    }
    if let Some(id) = id(&[text]) {
        assert!((1..=32).contains(&id.len()));
    }
});

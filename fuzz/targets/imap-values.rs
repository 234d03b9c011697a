//! The small values of IMAP by themselves: mailbox names, patterns, sequence sets, dates.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::imap::{DateTime, ListPattern, MailboxName, SequenceSet, parse_date};
use unicode_normalization::UnicodeNormalization as _;

fuzz_target!(|octets: &[u8]| {
    for line in octets.split(|&octet| octet == b'\n').take(20) {
        name(line);
        set(line);
        date(line);
    }
});

fn name(octets: &[u8]) {
    for from_utf8 in [false, true] {
        let pattern = ListPattern::from_wire(octets, from_utf8);
        let Some(name) = MailboxName::from_wire(octets, from_utf8) else {
            continue;
        };
        for utf8 in [false, true] {
            let wire = name.to_wire(utf8);
            assert!(utf8 || wire.is_ascii());
            let again = MailboxName::from_wire(wire.as_bytes(), utf8);
            assert_eq!(again.as_ref(), Some(&name));
        }
        for above in name.ancestors() {
            assert!(name.as_str().starts_with(above));
        }
        assert!(ListPattern::new("*").matches(name.as_str()));
        if let Some(pattern) = pattern {
            let literal = !pattern.as_str().contains(['*', '%']);
            // Names are kept in NFC, and patterns mean that.
            let kept: String = name.as_str().nfc().collect();
            assert!(!literal || pattern.matches(&kept), "{pattern:?}");
            let _under = pattern.under("INBOX/").matches(name.as_str());
        }
    }
}

fn set(octets: &[u8]) {
    let Ok(set) = SequenceSet::parse(octets, 1000) else {
        return;
    };
    let printed = set.to_string();
    assert_eq!(
        SequenceSet::parse(printed.as_bytes(), 1000).as_ref(),
        Ok(&set)
    );
    for largest in [0, 1, 77, u32::MAX] {
        let numbers = set.resolve(largest);
        let mut before = 0u64;
        let mut count = 0u64;
        for range in numbers.ranges() {
            let (low, high) = (u64::from(*range.start()), u64::from(*range.end()));
            // Neither overlapping nor adjacent.
            assert!(low > before.saturating_add(u64::from(before > 0)) && low <= high);
            assert!(numbers.contains(*range.start()) && numbers.contains(*range.end()));
            before = high;
            count = count.saturating_add(high.saturating_sub(low).saturating_add(1));
        }
        assert_eq!(count, numbers.len());
        let clipped = numbers.clip(5, 9);
        assert!(clipped.first().is_none_or(|first| first >= 5));
        assert!(clipped.last().is_none_or(|last| last <= 9));
        if !numbers.is_empty() {
            let again = SequenceSet::parse(numbers.to_string().as_bytes(), usize::MAX);
            assert_eq!(again.map(|set| set.resolve(largest)), Ok(numbers));
        }
    }
}

fn date(octets: &[u8]) {
    let _day = parse_date(octets);
    if let Some(date) = DateTime::parse(octets) {
        let mut written = Vec::new();
        date.write(&mut written);
        assert_eq!(written.len(), 26);
        assert_eq!(DateTime::parse(&written), Some(date));
    }
}

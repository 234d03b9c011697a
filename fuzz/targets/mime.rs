//! Messages: structure, sections, envelope, summary, text for searching.
#![no_main]

use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use message::{
    Limits, Summary, build,
    header::{Header, select_fields},
    mime::{Content, Part, Section, Structure},
    text,
};

fuzz_target!(|octets: &[u8]| {
    let narrow = Limits {
        depth: 3,
        parts: 5,
        header_octets: 300,
        header_fields: 6,
        value_octets: 80,
        addresses: 3,
        references: 2,
        parameters: 2,
        text_octets: 200,
        described_octets: 100,
    };
    for limits in [Limits::default(), narrow] {
        header(octets, &limits);
        summary(octets, &limits);
    }
    assert_eq!(
        build::without_bcc(&build::without_bcc(octets)),
        build::without_bcc(octets)
    );
    decode(octets);
});

fn header(octets: &[u8], limits: &Limits) {
    let header = Header::parse(octets, limits);
    assert!(header.body_start() <= octets.len());
    let mut before = 0;
    for field in &header {
        assert!(field.range().start >= before && field.range().end <= header.body_start());
        assert_eq!(octets.get(field.range()), Some(field.raw()));
        before = field.range().end;
        let _texts = (field.unfolded(), field.text());
    }
    assert!(header.iter().count() <= limits.header_fields);
    let raw = octets.get(..header.body_start()).unwrap_or_default();
    let chosen = select_fields(raw, &["subject", "From"], false, limits);
    let others = select_fields(raw, &["subject", "From"], true, limits);
    // A line end for the last field, where it has none, and an empty line.
    assert!(chosen.len().max(others.len()) <= raw.len().saturating_add(4));
}

fn summary(octets: &[u8], limits: &Limits) {
    let summary = Summary::of(octets, limits);
    assert_eq!(u64::try_from(octets.len()), Ok(summary.size));
    assert_eq!(Summary::decode(&summary.encode()).as_ref(), Ok(&summary));
    assert!(summary.references.len() <= limits.references.saturating_add(1));

    let structure = &summary.structure;
    let parts = structure.root.walk();
    assert!(parts.len() <= limits.parts.saturating_mul(2).saturating_add(1));
    within(&structure.root, &(0..octets.len()));
    for part in &parts {
        let _ = (part.decoded_body(octets), part.filename());
    }
    sections(structure, octets);

    let subject = summary.subject();
    let base = summary.base_subject();
    // One character is eighteen in NFKC at most: U+FDFA.
    assert!(base.text.len() <= subject.len().saturating_mul(18));
    let found = text::fold(&text::searchable_headers(octets, limits));
    assert_eq!(text::fold(&found), found);
    let _body = text::fold(&text::searchable_body(octets, structure, limits));
}

/// A part lies in what holds it, its header before its body, and its parts one behind the other.
fn within(part: &Part, outer: &Range<usize>) {
    assert!(outer.start <= part.header.start, "{part:?} in {outer:?}");
    assert!(part.header.start <= part.header.end && part.header.end <= part.body.start);
    assert!(part.body.start <= part.body.end && part.body.end <= outer.end);
    let mut from = part.body.start;
    match &part.content {
        Content::Multipart(parts) => {
            assert!(!parts.is_empty());
            for inner in parts {
                within(inner, &(from..part.body.end));
                from = inner.body.end;
            }
        }
        Content::Message { root, .. } => within(root, &part.body),
        Content::Text { .. } | Content::Other => {}
    }
}

fn sections(structure: &Structure, octets: &[u8]) {
    let kinds = [Section::Body, Section::Header, Section::Text, Section::Mime];
    for path in [
        &[][..],
        &[1],
        &[2],
        &[1, 1],
        &[2, 1],
        &[1, 2, 1],
        &[0],
        &[u32::MAX],
    ] {
        for kind in kinds {
            if let Some(range) = structure.section(path, kind) {
                assert!(octets.get(range).is_some(), "{path:?} {kind:?}");
            }
        }
    }
    assert_eq!(structure.section(&[], Section::Body), Some(0..octets.len()));
}

/// A stored summary may be damaged.
fn decode(octets: &[u8]) {
    if let Ok(summary) = Summary::decode(octets) {
        assert_eq!(Summary::decode(&summary.encode()), Ok(summary));
    }
}

//! What the fuzz targets share. Each target is a program of its own under `targets/`; `run` builds and runs them.
//!
//! A target checks what must be true of every input, not only that nothing panics: that feeding in pieces is feeding
//! at once, that what is printed reads back as it was, that places lie in the message, that a peer cannot make a
//! decoder hold more than its limits. A seed is the plain text of a message or a session, so that people can add one
//! with any editor.

/// The octets in pieces. Where the cuts are depends on the octets only, so that a finding stays one.
pub fn pieces(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = octets;
    // FNV-1a, and a linear congruence for the cuts that follow.
    let mut state = octets
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
        });
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Mostly small pieces, so that cuts fall within line ends and announcements.
        let length = match state >> 60 {
            0..=7 => 1,
            8..=11 => 2,
            12..=14 => 7,
            _ => 64,
        };
        let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = after;
        Some(piece)
    })
}

/// Whether the octets are whole lines that end in CR LF, with no CR or LF elsewhere.
#[must_use]
pub fn are_clean_lines(octets: &[u8]) -> bool {
    octets.split_inclusive(|&octet| octet == b'\n').all(|line| {
        line.strip_suffix(b"\r\n")
            .is_some_and(|text| !text.iter().any(|octet| matches!(octet, b'\r' | b'\n')))
    })
}

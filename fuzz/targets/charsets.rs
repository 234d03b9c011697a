//! Character sets, transfer encodings, HTML and folding: octets to text. The first line of an input is the label.
#![no_main]

use libfuzzer_sys::fuzz_target;
use message::{charset, text, transfer};

fuzz_target!(|octets: &[u8]| {
    let end = octets.iter().position(|&octet| octet == b'\n').unwrap_or(0);
    let (label, body) = octets.split_at_checked(end).unwrap_or((octets, &[]));
    let label = String::from_utf8_lossy(label);
    // An octet gives three at most in UTF-8: U+FFFD. Some sets have characters that are two.
    let most = body.len().saturating_mul(6).saturating_add(16);
    for label in [&*label, "iso-2022-jp", "utf-7", "shift_jis", "utf-8"] {
        let decoded = charset::decode(body, label);
        assert!(decoded.len() <= most, "{label}");
        let folded = text::fold(&decoded);
        assert_eq!(text::fold(&folded), folded);
    }
    let guessed = charset::decode_unlabelled(body);
    if let Ok(utf8) = std::str::from_utf8(body)
        && !utf8.contains('\u{1b}')
    {
        assert_eq!(
            guessed.trim_start_matches('\u{feff}'),
            utf8.trim_start_matches('\u{feff}')
        );
    }
    assert!(
        text::html_to_text(&guessed).len() <= guessed.len().saturating_mul(4).saturating_add(16)
    );
    assert!(transfer::decode_base64(body).len() <= body.len());
    assert!(transfer::decode_quoted_printable(body).len() <= body.len());
    let base = text::base_subject(&guessed);
    assert!(base.text.len() <= guessed.len());
});

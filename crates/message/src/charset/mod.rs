//! Character sets: from labelled or unlabelled octets to text.
//!
//! Decoding never fails: what cannot be read becomes U+FFFD.
//!
//! ```
//! use message::charset;
//! assert_eq!(charset::decode(b"\x1b$B2q5D\x1b(B", "ISO-2022-JP"), "会議");
//! assert_eq!(charset::decode(b"\x89\xef\x8bc", "cp932"), "会議");
//! assert_eq!(charset::decode_unlabelled(b"\x89\xef\x8bc"), "会議");
//! ```

mod guess;
mod iso2022;
mod utf7;

use encoding_rs::{EUC_JP, Encoding, GB18030, GBK, SHIFT_JIS, UTF_8, WINDOWS_1252};

pub use guess::decode_unlabelled;

/// A character set that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Table(&'static Encoding),
    Iso2022,
    Utf7,
    Utf16,
    Ascii,
}

impl Charset {
    /// The character set of a MIME or IMAP label, in any case. `None` when the label is not known.
    #[must_use]
    pub fn for_label(label: &str) -> Option<Self> {
        let label =
            label.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\''));
        if label.len() > 40 {
            return None;
        }
        let label = label.to_ascii_lowercase();
        Some(Self(match label.as_str() {
            "us-ascii" | "ascii" | "ansi_x3.4-1968" | "iso646-us" | "us" | "646" => Kind::Ascii,
            "utf-7" | "utf7" | "unicode-1-1-utf-7" | "x-unicode-2-0-utf-7" => Kind::Utf7,
            "cp50220" | "cp50221" | "cp50222" | "x-iso-2022-jp" | "jis" | "jis7" | "iso2022jp" => {
                Kind::Iso2022
            }
            l if l.starts_with("iso-2022-jp") || l.starts_with("csiso2022jp") => Kind::Iso2022,
            "iso-2022-kr" | "iso-2022-cn" | "iso-2022-cn-ext" => Kind::Iso2022,
            "cp932" | "ms932" | "windows-932" | "cp943" | "cp943c" | "x-ms-cp932" | "mskanji"
            | "sjis-win" | "shift_jis-2004" | "shift_jisx0213" | "shiftjis" => {
                Kind::Table(SHIFT_JIS)
            }
            "eucjp" | "x-eucjp" | "cp51932" | "eucjp-win" | "eucjp-ms" | "euc-jp-ms" | "ujis" => {
                Kind::Table(EUC_JP)
            }
            "cp936" | "ms936" | "windows-936" | "euc-cn" | "gb_2312" => Kind::Table(GBK),
            "gb-18030" => Kind::Table(GB18030),
            "cp65001" | "utf_8" | "utf-8-mac" | "unicode-utf-8" => Kind::Table(UTF_8),
            "cp949" | "ms949" => Kind::Table(encoding_rs::EUC_KR),
            "cp950" => Kind::Table(encoding_rs::BIG5),
            "utf-16" => Kind::Utf16,
            "latin-1" | "iso_8859-1:1987" => Kind::Table(WINDOWS_1252),
            other => Kind::Table(
                Encoding::for_label_no_replacement(other.as_bytes())
                    .or_else(|| code_page(other))?,
            ),
        }))
    }

    /// The octets as text. A byte order mark is removed.
    #[must_use]
    pub fn decode(self, octets: &[u8]) -> String {
        match self.0 {
            Kind::Ascii => decode_unlabelled(octets),
            Kind::Iso2022 => iso2022::decode(octets),
            Kind::Utf7 => utf7::decode(octets),
            // Either byte order, by its mark; big-endian without one (RFC 2781, section 4.3).
            Kind::Utf16 => encoding_rs::UTF_16BE.decode(octets).0.into_owned(),
            Kind::Table(encoding) => {
                let (text, had_errors) = encoding.decode_with_bom_removal(octets);
                // A wrong label is commoner than damage.
                if had_errors && encoding == UTF_8 {
                    return decode_unlabelled(octets);
                }
                if had_errors && let Ok(utf8) = std::str::from_utf8(octets) {
                    return utf8.to_owned();
                }
                text.into_owned()
            }
        }
    }
}

/// `cp1252` and `windows1252` for `windows-1252`.
fn code_page(label: &str) -> Option<&'static Encoding> {
    let number = label
        .strip_prefix("cp")
        .or_else(|| label.strip_prefix("ms"))
        .or_else(|| label.strip_prefix("windows"))?
        .trim_start_matches(['-', '_']);
    Encoding::for_label(format!("windows-{number}").as_bytes())
}

/// The octets as text by the rules of the label; where the label is not known, by the best guess.
#[must_use]
pub fn decode(octets: &[u8], label: &str) -> String {
    match Charset::for_label(label) {
        Some(charset) => charset.decode(octets),
        None => decode_unlabelled(octets),
    }
}

/// Whether the label is known, as IMAP SEARCH must tell (`BADCHARSET`).
#[must_use]
pub fn is_known(label: &str) -> bool {
    Charset::for_label(label).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn japanese_labels() {
        for label in [
            "cp932",
            "Windows-31J",
            "shift_jis",
            "x-sjis",
            "MS_Kanji",
            "ms932",
        ] {
            assert_eq!(decode(b"\x89\xef\x8bc\x87@", label), "会議①", "{label}");
        }
        for label in [
            "ISO-2022-JP",
            "iso-2022-jp-1",
            "ISO-2022-JP-MS",
            "cp50220",
            "CP50221",
            "iso-2022-jp-2004",
        ] {
            assert_eq!(decode(b"a\x1b$B2q5D\x1b(Bb", label), "a会議b", "{label}");
        }
        assert_eq!(decode(b"\xb2\xf1\xb5\xc4", "EUC-JP"), "会議");
        assert_eq!(decode(b"\xbb\xe1\xd2\xe9", "gb2312"), "会议");
    }

    #[test]
    fn western_and_wrong_labels() {
        assert_eq!(decode(b"caf\xe9", "iso-8859-1"), "café");
        assert_eq!(decode(b"caf\xe9", "cp1252"), "café");
        assert_eq!(decode("会議".as_bytes(), "us-ascii"), "会議");
        assert_eq!(decode("会議".as_bytes(), "no-such-thing"), "会議");
        assert_eq!(decode(b"\xef\xbb\xbfa", "utf-8"), "a");
        assert_eq!(decode(b"\x89\xef\x8bc", "utf-8"), "会議");
        assert_eq!(decode("会議".as_bytes(), "euc-jp"), "会議");
        assert!(!is_known("no-such-thing"));
        assert!(is_known("utf-7"));
    }

    proptest! {
        #[test]
        fn never_panics(octets in any::<Vec<u8>>(), label in prop::sample::select(
            vec!["utf-8", "iso-2022-jp", "utf-7", "cp932", "us-ascii", "gb2312", "utf-16", "x"])) {
            let _ignored = decode(&octets, label);
        }
    }
}

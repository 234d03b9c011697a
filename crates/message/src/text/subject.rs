//! The base subject of RFC 5256, section 2.1.

/// Longest subject that is looked at, in octets: removing blobs one by one must not run on endless ones.
const MAX_SUBJECT: usize = 2048;

/// A subject without the marks of replies and forwards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BaseSubject {
    /// What is left, as it is written. Compare it folded.
    pub text: String,
    /// Whether there were such marks.
    pub is_reply: bool,
}

/// The base subject of a decoded subject.
#[must_use]
pub fn base_subject(subject: &str) -> BaseSubject {
    let cut = subject
        .get(..subject.floor_char_boundary(MAX_SUBJECT))
        .unwrap_or(subject);
    let spaced: Vec<&str> = cut.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
    let joined = spaced.join(" ");
    let mut text = joined.as_str();
    let mut is_reply = false;
    loop {
        // Steps 2 to 6 in the RFC's numbering.
        while let Some(rest) = strip_suffix(text, "(fwd)") {
            text = rest.trim_end();
            is_reply = true;
        }
        loop {
            text = text.trim();
            if let Some(rest) = strip_leader(text) {
                text = rest;
                is_reply = true;
            } else if let Some(rest) = strip_blob(text).filter(|rest| !rest.is_empty()) {
                text = rest;
            } else {
                break;
            }
        }
        match strip_prefix(text, "[fwd:").and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => {
                text = inner.trim();
                is_reply = true;
            }
            None => break,
        }
    }
    BaseSubject {
        text: text.to_owned(),
        is_reply,
    }
}

/// Removes blobs followed by `re:`, `fw:` or `fwd:`, each perhaps with a blob before its colon.
fn strip_leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(after) = strip_blob(rest) {
        rest = after;
    }
    let rest = ["re", "fwd", "fw"]
        .into_iter()
        .find_map(|mark| strip_prefix(rest, mark))?
        .trim_start();
    strip_blob(rest).unwrap_or(rest).strip_prefix(':')
}

/// Removes `[…]` and the white space behind it.
fn strip_blob(text: &str) -> Option<&str> {
    let (blob, rest) = text.strip_prefix('[')?.split_once(']')?;
    (!blob.contains('[')).then(|| rest.trim_start())
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| text.get(prefix.len()..).unwrap_or_default())
}

fn strip_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    text.get(at..)?
        .eq_ignore_ascii_case(suffix)
        .then(|| text.get(..at).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_are_removed() {
        for (subject, base, is_reply) in [
            ("会議", "会議", false),
            ("Re: 会議", "会議", true),
            ("re : Fwd[2]: FW:  会議  (fwd) (FWD)", "会議", true),
            ("[list] Re: [list] 会議", "会議", true),
            ("[list] 会議", "会議", false),
            ("[list]", "[list]", false),
            ("[Fwd: Re: 会議]", "会議", true),
            ("Regarding: x", "Regarding: x", false),
            ("Re:", "", true),
            ("a \t b", "a b", false),
        ] {
            assert_eq!(
                base_subject(subject),
                BaseSubject {
                    text: base.to_owned(),
                    is_reply
                },
                "{subject}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_settles(subject in "(re|fwd|:|\\[|\\]|\\(fwd\\)| |x|会){0,30}") {
            let base = base_subject(&subject);
            prop_assert!(base.text.len() <= subject.len());
        }
    }
}

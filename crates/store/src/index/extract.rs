//! From a raw message to what the index keeps of it.

use message::{
    Limits,
    mime::Structure,
    text::{self, Words},
};

use super::{
    gram::grams,
    packed::Packed,
    sqlite_index::{IN_BODY, IN_HEADERS},
};

/// Different grams of one message at most. One with more is a candidate for every needle.
const MAX_GRAMS: usize = 200_000;

/// What the index keeps of a message.
pub(super) struct Content {
    /// Its grams, each with the mark of where it is from, divided by spaces.
    pub(super) grams: String,
    /// Its text; `None` when that is too long to be kept.
    pub(super) text: Option<Packed>,
}

/// Folds a needle as the text was folded.
pub(super) fn fold(needle: &str) -> String {
    text::fold_words(needle)
}

impl Content {
    /// `None` when not all of the text could be taken: then the index cannot tell what the message holds.
    pub(super) fn of(raw: &[u8]) -> Option<Self> {
        let limits = Limits::default();
        let structure = Structure::parse(raw, &limits);
        let words = Words::of(raw, &structure, &limits);
        if !words.whole {
            return None;
        }
        let mut marked = String::new();
        for (mark, text) in [(IN_HEADERS, &words.headers), (IN_BODY, &words.body)] {
            for gram in grams(text, MAX_GRAMS)? {
                marked.push(mark);
                marked.push_str(gram);
                marked.push(' ');
            }
        }
        Some(Self {
            grams: marked,
            text: Packed::of(&words),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::fold;

    /// What is in the files was folded by the build that wrote it. If this fails, a needle is folded otherwise than they
    /// were: raise the format in `sqlite_index`, so that they are made anew, and then the digest here.
    #[test]
    fn folding_is_that_of_the_format() {
        let mut digest = blake3::Hasher::new();
        for c in '\0'..=char::MAX {
            digest.update(fold(c.encode_utf8(&mut [0; 4])).as_bytes());
        }
        assert_eq!(&digest.finalize().to_hex()[..16], "a4afbc276ecf1caa");
    }
}

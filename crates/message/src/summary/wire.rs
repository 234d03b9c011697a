//! The octets of a summary: numbers as LEB128, texts and lists with their length before them.

/// Why octets are no summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SummaryError {
    /// A version that this build does not know.
    #[error("the summary has version {0}, which this version of Kakitome does not know")]
    Version(u8),
    /// The octets end early, or say what cannot be.
    #[error("the summary is damaged")]
    Damaged,
}

#[derive(Default)]
pub(super) struct Writer {
    pub(super) octets: Vec<u8>,
}

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) {
        self.octets.push(byte);
    }

    pub(super) fn number(&mut self, mut number: u64) {
        loop {
            let low = u8::try_from(number & 0x7f).unwrap_or_default();
            number >>= 7;
            if number == 0 {
                self.octets.push(low);
                return;
            }
            self.octets.push(low | 0x80);
        }
    }

    pub(super) fn size(&mut self, size: usize) {
        self.number(u64::try_from(size).unwrap_or(u64::MAX));
    }

    /// A number with a sign, the sign in the lowest bit.
    pub(super) fn signed(&mut self, number: i64) {
        self.number((number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.size(text.len());
        self.octets.extend_from_slice(text.as_bytes());
    }

    /// A text that may be missing: its length and one, or nought.
    pub(super) fn maybe(&mut self, text: Option<&str>) {
        match text {
            Some(text) => {
                self.size(text.len().saturating_add(1));
                self.octets.extend_from_slice(text.as_bytes());
            }
            None => self.byte(0),
        }
    }
}

pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

type Result<T> = std::result::Result<T, SummaryError>;

impl Reader<'_> {
    pub(super) fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or(SummaryError::Damaged)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                return Err(SummaryError::Damaged);
            }
            number |= low << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(SummaryError::Damaged)
    }

    pub(super) fn size(&mut self) -> Result<usize> {
        usize::try_from(self.number()?).map_err(|_| SummaryError::Damaged)
    }

    /// The length of a list. Each element takes an octet at least, so that no list is longer than what is left.
    pub(super) fn count(&mut self) -> Result<usize> {
        let count = self.size()?;
        if count > self.rest.len() {
            Err(SummaryError::Damaged)
        } else {
            Ok(count)
        }
    }

    pub(super) fn signed(&mut self) -> Result<i64> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ (number & 1).cast_signed().saturating_neg())
    }

    pub(super) fn text(&mut self) -> Result<String> {
        let len = self.size()?;
        self.take(len)
    }

    pub(super) fn maybe(&mut self) -> Result<Option<String>> {
        match self.size()?.checked_sub(1) {
            Some(len) => self.take(len).map(Some),
            None => Ok(None),
        }
    }

    fn take(&mut self, len: usize) -> Result<String> {
        let (text, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(SummaryError::Damaged)?;
        self.rest = rest;
        std::str::from_utf8(text)
            .map(str::to_owned)
            .map_err(|_| SummaryError::Damaged)
    }
}

//! Time-based one-time codes (RFC 6238 over RFC 4226): HMAC-SHA-1, six digits, 30 seconds, as every program for them knows.
//! Own code, since it has to tell which time step a code is of: one that was taken never counts again.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// Octets of a secret: as long as the hash (RFC 4226, section 4, R6).
pub(crate) const SECRET_LEN: usize = 20;
/// Seconds of a time step.
const STEP: i64 = 30;
/// Steps before and after the present one whose codes count: clocks differ, and people are slow (RFC 6238, section 5.2).
const WINDOW: i64 = 1;
const DIGITS: u32 = 6;

/// The time step that `code` is of, if it is right at `now` and of a step after `last`.
pub(crate) fn step_of(secret: &[u8], code: &str, now: Timestamp, last: i64) -> Option<i64> {
    let typed: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let present = now.as_second().div_euclid(STEP);
    let mut found = None;
    for step in present.saturating_sub(WINDOW)..=present.saturating_add(WINDOW) {
        let right: bool = at(secret, step).as_bytes().ct_eq(typed.as_bytes()).into();
        if right && step > last {
            found = Some(step);
        }
    }
    found
}

/// The code of a time step.
fn at(secret: &[u8], step: i64) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(&step.to_be_bytes());
    let digest: [u8; 20] = mac.finalize().into_bytes().into();
    let offset = usize::from(digest.last().copied().unwrap_or_default() & 0xf);
    let four = digest.iter().skip(offset).take(4);
    let number = four.fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet)) & 0x7fff_ffff;
    format!(
        "{:0width$}",
        number % 10_u32.pow(DIGITS),
        width = DIGITS as usize
    )
}

/// The secret as people type it.
pub(crate) fn written(secret: &[u8]) -> String {
    data_encoding::BASE32_NOPAD.encode(secret)
}

/// The secret that was written.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let secret = data_encoding::BASE32_NOPAD
        .decode(plain.to_ascii_uppercase().as_bytes())
        .ok()?;
    (secret.len() == SECRET_LEN).then_some(secret)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 6238, appendix B: the last six digits of what it gives.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(at(secret, second / STEP), code);
        }
    }

    #[test]
    fn a_code_counts_once_and_for_a_minute_and_a_half() {
        let secret = b"12345678901234567890";
        let second = |second| Timestamp::from_second(second).unwrap();
        let step = 1_111_111_109 / STEP;
        let code = "081 804";
        for (now, found) in [
            (1_111_111_109 - 60, None),
            (1_111_111_109 - 30, Some(step)),
            (1_111_111_109 + 30, Some(step)),
            (1_111_111_109 + 60, None),
        ] {
            assert_eq!(step_of(secret, code, second(now), 0), found, "{now}");
        }
        let now = second(1_111_111_109);
        assert_eq!(step_of(secret, code, now, step), None, "replayed");
        assert_eq!(step_of(secret, "", now, 0), None);
        assert_eq!(step_of(secret, "81804", now, 0), None);
        assert_eq!(read(&written(secret)).unwrap(), secret);
        assert!(read("AAAA").is_none());
    }
}

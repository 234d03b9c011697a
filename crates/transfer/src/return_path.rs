//! Signed return paths: mail that leaves carries in its MAIL FROM a mark that only this site can make, so a bounce for mail that was
//! never sent from here is known for what it is (clause 5.5(2)).
//!
//! The form is the one of Bounce Address Tag Validation (draft-levine-smtp-batv): `prvs=0DDDhhhhhhhh=local@domain`. `DDD` is the
//! last day on which it counts, in days since 1970 modulo 1000; the eight hexadecimal digits are the beginning of an
//! HMAC-SHA-256 over the day and the address.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use jiff::{SignedDuration, Timestamp};
use message::{Address, Domain};
use zeroize::Zeroizing;

/// Days for which a mark counts: longer than mail and its bounces are under way.
const DAYS: i64 = 10;
const SECONDS: i64 = 86_400;
/// Octets of a local part as it is written (RFC 5321, section 4.5.3.1.1).
const MOST_LOCAL: usize = 64;
const BEGIN: &str = "prvs=0";
const DAY_DIGITS: usize = 3;
const MARK_DIGITS: usize = 8;

/// What is done with a message that has no sender, is for an address without a mark, and so answers no mail from here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmarked {
    /// It is refused at the end of its data if it is a bounce: receipts without a sender (RFC 8098) pass.
    #[default]
    Bounces,
    /// It is refused at RCPT, whatever it is.
    All,
    /// It is taken.
    Accept,
}

/// How return paths are signed.
#[derive(Clone, Debug)]
pub struct ReturnPath {
    /// The key. All servers of a site that send or receive its mail have the same.
    pub key: Zeroizing<[u8; 32]>,
    /// Since when they are signed: before a mark's whole life has passed, mail that left without one may still bounce.
    pub since: Timestamp,
    /// Own domains whose return paths are not signed.
    pub except: BTreeSet<Domain>,
    /// What is done with mail that answers no mail from here.
    pub unmarked: Unmarked,
}

/// What the mark of an address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// There is none.
    None,
    /// It is ours, of this address.
    Ours(Address),
    /// It is not ours, or its time is over; what it is said to be of.
    Void(Address),
}

impl ReturnPath {
    /// `sender` as it goes over the wire. One that cannot carry a mark goes as it is.
    pub(crate) fn sign(&self, sender: &Address, now: Timestamp) -> Address {
        self.signed(sender, now).unwrap_or_else(|| sender.clone())
    }

    /// `sender` with its mark. `None`: it cannot carry one, since its domain is excepted, it would be too long, it has a quotation mark, or it
    /// looks as if it had one.
    fn signed(&self, sender: &Address, now: Timestamp) -> Option<Address> {
        let local = sender.local();
        if self.except.contains(sender.domain())
            || local.starts_with("prvs=")
            || local.contains('"')
        {
            return None;
        }
        let day = (days(now) + DAYS).rem_euclid(1000);
        let marked = format!("{BEGIN}{day:03}{}={local}", self.mark(sender, day));
        let marked = Address::new(&marked, sender.domain().clone()).ok()?;
        (marked.local_octets() <= MOST_LOCAL).then_some(marked)
    }

    /// What the mark of a recipient says.
    pub(crate) fn read(&self, recipient: &Address, now: Timestamp) -> Mark {
        let Some((day, mark, local)) = parts(recipient.local()) else {
            return Mark::None;
        };
        let Ok(plain) = Address::new(local, recipient.domain().clone()) else {
            return Mark::None;
        };
        let left = (day - days(now)).rem_euclid(1000);
        let is_ours = mark.eq_ignore_ascii_case(&self.mark(&plain, day));
        match is_ours && left <= DAYS {
            true => Mark::Ours(plain),
            false => Mark::Void(plain),
        }
    }

    /// Whether an address without a mark can have sent nothing that is answered now. What cannot carry a mark goes out without one.
    pub(crate) fn judges(&self, recipient: &Address, now: Timestamp) -> bool {
        let grown = self.since + SignedDuration::from_hours(DAYS * 24) <= now;
        grown && self.unmarked != Unmarked::Accept && self.signed(recipient, now).is_some()
    }

    fn mark(&self, address: &Address, day: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_ref());
        // Some servers change the case of what they answer to.
        let text = format!("return path {day:03} {}", address.canonical());
        let tag = hmac::sign(&key, text.to_lowercase().as_bytes());
        let hex = data_encoding::HEXLOWER.encode(tag.as_ref());
        hex.get(..MARK_DIGITS).unwrap_or_default().to_owned()
    }
}

fn days(at: Timestamp) -> i64 {
    at.as_second().div_euclid(SECONDS)
}

/// Day, mark and local part of an address with a mark.
fn parts(local: &str) -> Option<(i64, &str, &str)> {
    let begin = local.get(..BEGIN.len())?;
    begin.eq_ignore_ascii_case(BEGIN).then_some(())?;
    let (tag, plain) = local.get(BEGIN.len()..)?.split_once('=')?;
    (tag.len() == DAY_DIGITS + MARK_DIGITS && !plain.is_empty()).then_some(())?;
    let (day, mark) = tag.split_at_checked(DAY_DIGITS)?;
    day.bytes()
        .all(|digit| digit.is_ascii_digit())
        .then_some(())?;
    Some((day.parse().ok()?, mark, plain))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn rule() -> ReturnPath {
        ReturnPath {
            key: [7; 32].into(),
            since: Timestamp::UNIX_EPOCH,
            except: BTreeSet::from([Domain::parse("plain.example").unwrap()]),
            unmarked: Unmarked::default(),
        }
    }

    fn day(number: i64) -> Timestamp {
        Timestamp::from_second(number * SECONDS + 5).unwrap()
    }

    #[test]
    fn a_mark_counts_for_its_days_and_its_address_only() {
        let (rule, taro) = (rule(), "taro@example.jp".parse::<Address>().unwrap());
        // Also over the edge at which the number of the day begins anew.
        for today in [20_783, 20_995, 20_999, 21_000] {
            let signed = rule.sign(&taro, day(today));
            assert!(signed.local().starts_with("prvs=0"), "{signed}");
            for later in 0..=DAYS {
                assert_eq!(
                    rule.read(&signed, day(today + later)),
                    Mark::Ours(taro.clone())
                );
            }
            for other in [today + DAYS + 1, today + 300, today - 1] {
                assert_eq!(
                    rule.read(&signed, day(other)),
                    Mark::Void(taro.clone()),
                    "{other}"
                );
            }
            let loud =
                Address::new(&signed.local().to_uppercase(), signed.domain().clone()).unwrap();
            assert!(matches!(rule.read(&loud, day(today)), Mark::Ours(_)));
            let stolen = signed.local().replace("taro", "jiro");
            let stolen = Address::new(&stolen, signed.domain().clone()).unwrap();
            assert!(matches!(rule.read(&stolen, day(today)), Mark::Void(_)));
            let other = ReturnPath {
                key: [8; 32].into(),
                ..rule.clone()
            };
            assert!(matches!(other.read(&signed, day(today)), Mark::Void(_)));
        }
    }

    #[test]
    fn what_cannot_carry_a_mark_goes_as_it_is() {
        let rule = rule();
        for text in [
            "taro@plain.example",
            "prvs=0123abcdef01=taro@example.jp",
            "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz@example.jp",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(rule.sign(&address, day(20_000)), address);
        }
        for text in [
            "taro@example.jp",
            "prvs=taro@example.jp",
            "prvs=0123=taro@example.jp",
            "prvs=01234567890a=@example.jp",
        ] {
            if let Ok(address) = text.parse::<Address>() {
                assert_eq!(rule.read(&address, day(20_000)), Mark::None, "{text}");
            }
        }
    }

    #[test]
    fn nothing_is_judged_before_all_that_left_unmarked_has_come_back() {
        let rule = ReturnPath {
            since: day(100),
            ..rule()
        };
        let (taro, plain) = (
            "taro@example.jp".parse().unwrap(),
            "taro@plain.example".parse().unwrap(),
        );
        assert!(!rule.judges(&taro, day(109)));
        assert!(rule.judges(&taro, day(111)));
        assert!(!rule.judges(&plain, day(111)));
        let open = ReturnPath {
            unmarked: Unmarked::Accept,
            ..rule
        };
        assert!(!open.judges(&taro, day(111)));
    }

    #[test]
    fn a_bounce_to_what_cannot_carry_a_mark_is_not_judged() {
        let (rule, today) = (rule(), day(20_000));
        // With its mark, of 18 octets, the first is as long as a local part may be.
        for (local, is_judged) in [
            ("a".repeat(46), true),
            ("a".repeat(47), false),
            ("\"taro yamada\"".to_owned(), true),
            (format!("\"{} b\"", "a".repeat(42)), true),
            (format!("\"{} b\"", "a".repeat(43)), false),
            (r#""ta\"ro""#.to_owned(), false),
            ("prvs=taro".to_owned(), false),
        ] {
            let address: Address = format!("{local}@example.jp").parse().unwrap();
            assert_eq!(rule.judges(&address, today), is_judged, "{address}");
            assert_eq!(
                rule.sign(&address, today) != address,
                is_judged,
                "{address}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_address_comes_back(local in "[a-z0-9.+=_-]{1,50}", today in 0i64..40_000) {
            if let Ok(address) = format!("{local}@example.jp").parse::<Address>() {
                let signed = rule().sign(&address, day(today));
                let expected = match signed == address {
                    true => Mark::None,
                    false => Mark::Ours(address.clone()),
                };
                if !local.to_lowercase().starts_with("prvs=") {
                    prop_assert_eq!(rule().read(&signed, day(today)), expected);
                }
            }
        }
    }
}

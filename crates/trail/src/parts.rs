//! Facts that are too many for one event are told by several.

use std::io;

use serde::Serialize;
use serde_json::Value;

use crate::Event;

/// Octets of JSON that are kept free in each event for the names of its lists and the number of its part.
const MARGIN: usize = 256;

impl Event {
    /// This event with `lists` among its details: one event when all of it fits into `room` octets of JSON, else
    /// as many as it takes, each with the same facts, its share of the lists and `part`, as in `2 of 3`. So no
    /// list, however long, is cut where events have a largest size.
    ///
    /// The other details should be small. What they take is never more than half of `room` here; a store that
    /// shortens what is too long then shortens them and not the lists.
    #[must_use]
    pub fn in_parts(self, room: usize, lists: Vec<(&str, Vec<String>)>) -> Vec<Self> {
        let room = room
            .saturating_sub(octets(&self.detail))
            .max(room / 2)
            .saturating_sub(MARGIN);
        let length = |list: &Vec<String>| {
            let lengths = list.iter().map(|text| octets(text).saturating_add(1));
            lengths.fold(0, usize::saturating_add)
        };
        let lengths = lists.iter().map(|(_, list)| length(list));
        if lengths.fold(0, usize::saturating_add) <= room {
            // Nearly always; and then nothing of it is copied.
            return vec![
                lists
                    .into_iter()
                    .fold(self, |event, (name, list)| event.detail(name, list)),
            ];
        }
        let mut parts = Vec::new();
        let mut part = self.clone();
        let mut left = room;
        for (name, list) in lists {
            let mut share = Vec::new();
            for text in list {
                let value = Value::from(text);
                let length = octets(&value).saturating_add(1);
                if length > left && left < room {
                    if !share.is_empty() {
                        part = part.detail(name, std::mem::take(&mut share));
                    }
                    parts.push(std::mem::replace(&mut part, self.clone()));
                    left = room;
                }
                left = left.saturating_sub(length);
                share.push(value);
            }
            part = part.detail(name, share);
        }
        parts.push(part);
        number(parts)
    }
}

/// Octets of a value as JSON.
fn octets(value: &impl Serialize) -> usize {
    struct Counted(usize);
    impl io::Write for Counted {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(octets.len());
            Ok(octets.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counted = Counted(0);
    // Nothing that an event holds fails to be written; if it did, it would be too long.
    match serde_json::to_writer(&mut counted, value) {
        Ok(()) => counted.0,
        Err(_) => usize::MAX,
    }
}

fn number(parts: Vec<Event>) -> Vec<Event> {
    let count = parts.len();
    (1_usize..)
        .zip(parts)
        .map(|(number, part)| part.detail("part", format!("{number} of {count}")))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Actor, Kind};

    fn event() -> Event {
        Event::new(Kind::TransactionAccepted, Actor::Peer)
            .subject("Q1")
            .detail("sender", "a@b")
    }

    fn names(parts: &[Event], list: &str) -> Vec<String> {
        parts
            .iter()
            .filter_map(|part| part.detail.get(list))
            .flat_map(|list| list.as_array().unwrap())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn little_is_one_event() {
        let parts = event().in_parts(4096, vec![("recipients", vec!["x@y".into()])]);
        assert_eq!(parts.len(), 1);
        assert!(!parts[0].detail.contains_key("part"));
        assert_eq!(names(&parts, "recipients"), ["x@y"]);
    }

    #[test]
    fn an_empty_list_is_told_too() {
        let parts = event().in_parts(4096, vec![("recipients", Vec::new())]);
        assert_eq!(parts[0].detail["recipients"], Value::Array(Vec::new()));
    }

    #[test]
    fn much_is_several_and_nothing_of_it_is_lost() {
        let recipients: Vec<String> = (0..900).map(|n| format!("\"{n}\"@example.jp")).collect();
        let accounts: Vec<String> = (0..500).map(|n| format!("account {n}")).collect();
        let lists = vec![
            ("recipients", recipients.clone()),
            ("accounts", accounts.clone()),
        ];
        let parts = event().in_parts(4096, lists);
        assert!(parts.len() > 5, "{}", parts.len());
        assert_eq!(names(&parts, "recipients"), recipients);
        assert_eq!(names(&parts, "accounts"), accounts);
        for (number, part) in (1..).zip(&parts) {
            let text = Value::Object(part.detail.clone()).to_string();
            assert!(text.len() <= 4096, "{}", text.len());
            assert_eq!(part.subject, "Q1");
            assert_eq!(part.detail["sender"], "a@b");
            assert_eq!(part.detail["part"], format!("{number} of {}", parts.len()));
        }
    }

    #[test]
    fn large_facts_leave_half_of_the_room() {
        let recipients: Vec<String> = (0..900).map(|n| format!("{n}@example.jp")).collect();
        let parts = event()
            .detail("reason", "x".repeat(10_000))
            .in_parts(4096, vec![("recipients", recipients.clone())]);
        assert!(parts.len() < 20, "{}", parts.len());
        assert_eq!(names(&parts, "recipients"), recipients);
    }
}

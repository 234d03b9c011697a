//! What an event is found by, and how its details are kept within bounds.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{ADDRESS_LIMIT, DETAIL_LIMIT, TEXT_LIMIT};

/// Details that hold mail addresses of the envelope.
const ENVELOPE: [&str; 4] = ["sender", "recipient", "senders", "recipients"];
/// Room for the note that something was cut.
const NOTE: usize = 64;

/// Adds the mail addresses of an envelope in `detail`, lower case.
pub(super) fn addresses(detail: &Map<String, Value>, found: &mut BTreeSet<String>) {
    for name in ENVELOPE {
        match detail.get(name) {
            Some(Value::String(text)) => add(found, text),
            Some(Value::Array(list)) => {
                for text in list.iter().filter_map(Value::as_str) {
                    add(found, text);
                }
            }
            _ => {}
        }
    }
}

/// Adds `text` if it is a mail address, lower case.
pub(super) fn add(found: &mut BTreeSet<String>, text: &str) {
    if found.len() < ADDRESS_LIMIT && text.contains('@') {
        found.insert(cut(text.to_lowercase(), TEXT_LIMIT));
    }
}

/// `text`, of at most `limit` bytes.
pub(super) fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = text.floor_char_boundary(limit.saturating_sub('…'.len_utf8()));
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The fact that says that others were cut: the size of all of them as JSON.
pub(super) const TRUNCATED: &str = "truncated";

/// `detail` as JSON of at most [`DETAIL_LIMIT`] bytes, and whether it is whole. What does not fit is shortened or left
/// out, small facts first kept; [`TRUNCATED`] then holds the full size.
pub(super) fn detail(detail: &Map<String, Value>) -> (String, bool) {
    let whole = json(detail);
    if whole.len() <= DETAIL_LIMIT {
        return (whole, true);
    }
    let mut sizes: Vec<(usize, &String, &Value)> = detail
        .iter()
        .map(|(name, value)| (value.to_string().len() + name.len() + 8, name, value))
        .collect();
    sizes.sort_by_key(|(size, ..)| *size);
    let mut room = DETAIL_LIMIT - NOTE;
    let mut kept = Map::new();
    for (_, name, value) in sizes {
        let Some(inside) = room.checked_sub(json_length(name) + 8) else {
            break;
        };
        if let Some(value) = shorten(value, inside) {
            room = inside.saturating_sub(value.to_string().len());
            kept.insert(name.clone(), value);
        }
    }
    kept.insert(TRUNCATED.to_owned(), Value::from(whole.len()));
    (json(&kept), false)
}

fn json(map: &Map<String, Value>) -> String {
    serde_json::to_string(map).unwrap_or_else(|_| "{}".to_owned())
}

fn json_length(text: &str) -> usize {
    Value::from(text).to_string().len()
}

/// `value` in at most `room` bytes of JSON: strings and lists lose their end, others go.
fn shorten(value: &Value, room: usize) -> Option<Value> {
    if value.to_string().len() <= room {
        return Some(value.clone());
    }
    match value {
        Value::String(text) => {
            // An escaped character takes up to six bytes.
            let text = cut(text.clone(), room / 6);
            Some(Value::from(text)).filter(|short| short.to_string().len() <= room)
        }
        Value::Array(list) => {
            let mut left = room.checked_sub(2)?;
            let mut kept = Vec::new();
            for item in list {
                let Some(rest) = left.checked_sub(item.to_string().len() + 1) else {
                    break;
                };
                left = rest;
                kept.push(item.clone());
            }
            Some(Value::Array(kept))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn details_stay_within_bounds(
            texts in proptest::collection::vec(("[a-z\"\\\\]{0,40}", ".{0,4000}"), 0..20),
            list in proptest::collection::vec("[\u{1}-\u{200}]{0,40}", 0..2000),
        ) {
            let mut map: Map<String, Value> = texts.into_iter().map(|(n, v)| (n, Value::from(v))).collect();
            map.insert("recipients".to_owned(), Value::from(list));
            map.insert("size".to_owned(), Value::from(7));
            let (text, whole) = detail(&map);
            prop_assert!(text.len() <= DETAIL_LIMIT, "{}", text.len());
            let back: Map<String, Value> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&back["size"], &Value::from(7));
            prop_assert_eq!(back == map, whole);
            prop_assert_eq!(back.contains_key(TRUNCATED), !whole);
        }
    }
}

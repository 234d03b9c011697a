//! CBOR (RFC 8949) as devices write it: one item, bounded in depth, no key twice.

use ciborium::Value;

use super::Fault;

/// How deep items may lie in each other: statements of attestation, which are passed over, have three.
const DEPTH: usize = 8;

/// Reads one item from the front of `input`, and leaves what follows.
pub(super) fn first(input: &mut &[u8], what: &'static str) -> Result<Value, Fault> {
    ciborium::de::from_reader_with_recursion_limit(input, DEPTH).map_err(|_| Fault::Malformed(what))
}

/// Reads an item that is all there is.
pub(super) fn only(mut input: &[u8], what: &'static str) -> Result<Value, Fault> {
    let value = first(&mut input, what)?;
    match input.is_empty() {
        true => Ok(value),
        false => Err(Fault::Malformed(what)),
    }
}

/// What a map has under `key`, exactly once.
pub(super) fn field<'a>(
    map: &'a Value,
    key: &Value,
    what: &'static str,
) -> Result<&'a Value, Fault> {
    let pairs = map.as_map().ok_or(Fault::Malformed(what))?;
    let mut found = pairs.iter().filter(|(name, _)| name == key);
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Ok(value),
        _ => Err(Fault::Malformed(what)),
    }
}

//! Who the client is: AUTHENTICATE, LOGIN, ENABLE, ID.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Command, Parse, ParseError, Parser, Secret};

/// RFC 2971, section 3.3.
const ID_FIELDS: usize = 30;
const ID_NAME: usize = 30;
const ID_VALUE: usize = 1024;

pub(super) fn authenticate(parser: &mut Parser<'_>) -> Parse<Command> {
    parser.space()?;
    let mechanism = parser.atom()?.to_ascii_uppercase();
    let initial = if parser.take(b' ') {
        let encoded = parser.take_rest();
        Some(if encoded == b"=" {
            Secret::new(Vec::new())
        } else {
            decode_sasl(encoded)?
        })
    } else {
        None
    };
    Ok(Command::Authenticate { mechanism, initial })
}

fn decode_sasl(encoded: &[u8]) -> Parse<Secret> {
    match STANDARD.decode(encoded) {
        Ok(octets) if !encoded.is_empty() => Ok(Secret::new(octets)),
        _ => Err(ParseError::bad("the initial response is not base64")),
    }
}

pub(super) fn login(parser: &mut Parser<'_>) -> Parse<Command> {
    parser.space()?;
    let user = parser.text()?;
    parser.space()?;
    let password = Secret::new(parser.astring()?.to_vec());
    Ok(Command::Login { user, password })
}

pub(super) fn enable(parser: &mut Parser<'_>) -> Parse<Command> {
    let mut names = Vec::new();
    while parser.take(b' ') {
        if names.len() >= parser.limits.list_items {
            return Err(ParseError::limit("a list has too many items"));
        }
        names.push(parser.atom()?.to_ascii_uppercase());
    }
    if names.is_empty() {
        Err(ParseError::bad("nothing to enable"))
    } else {
        Ok(Command::Enable(names))
    }
}

pub(super) fn id(parser: &mut Parser<'_>) -> Parse<Command> {
    parser.space()?;
    if parser.take_word("NIL") {
        return Ok(Command::Id(None));
    }
    let fields = parser.list(|parser| {
        let name = utf8(parser.string()?.as_ref())?;
        parser.space()?;
        let value = parser.nstring()?.map(|value| utf8(&value)).transpose()?;
        if name.len() > ID_NAME || value.as_ref().is_some_and(|value| value.len() > ID_VALUE) {
            return Err(ParseError::bad("an ID field is too long"));
        }
        Ok((name, value))
    })?;
    if fields.len() > ID_FIELDS {
        Err(ParseError::bad("too many ID fields"))
    } else {
        Ok(Command::Id(Some(fields)))
    }
}

fn utf8(octets: &[u8]) -> Parse<String> {
    std::str::from_utf8(octets)
        .map(str::to_owned)
        .map_err(|_| ParseError::bad("a string is not UTF-8"))
}

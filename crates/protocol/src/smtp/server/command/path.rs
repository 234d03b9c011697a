//! Paths: `<local@domain>`, perhaps with a source route before it (RFC 5321, section 4.1.2).

use message::{Address, AddressError, Host};

use crate::smtp::{Detail, Refusal};

/// What stood between the angle brackets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// `<>`
    Empty,
    /// `<postmaster>`
    Postmaster,
    Address(Address),
}

/// A path, whether a route stood before it, and the parameters after it.
#[derive(Debug)]
pub(super) struct Split<'a> {
    pub(super) path: Path,
    pub(super) source_route: bool,
    pub(super) parameters: &'a str,
}

/// Which path it is: the codes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Reverse,
    Forward,
}

pub(super) fn split(
    text: &str,
    direction: Direction,
    lenient_space: bool,
) -> Result<Split<'_>, Refusal> {
    let text = if lenient_space {
        text.trim_start_matches(' ')
    } else {
        text
    };
    let (inner, after) = brackets(text).ok_or_else(|| {
        let detail = match direction {
            Direction::Reverse => Detail::BAD_SENDER_SYNTAX,
            Direction::Forward => Detail::BAD_MAILBOX_SYNTAX,
        };
        Refusal::new::<501>(detail, "An address in angle brackets expected")
    })?;
    let parameters = match after.strip_prefix(' ') {
        Some(parameters) => parameters,
        None if after.is_empty() => "",
        None => {
            return Err(Refusal::new::<501>(
                Detail::INVALID_ARGUMENTS,
                "A space expected after the path",
            ));
        }
    };
    let (mailbox, source_route) = if inner.starts_with('@') {
        (
            strip_route(inner).ok_or_else(|| bad(direction, "Malformed source route"))?,
            true,
        )
    } else {
        (inner, false)
    };
    let path = if mailbox.is_empty() && !source_route {
        Path::Empty
    } else if mailbox.eq_ignore_ascii_case("postmaster") && !source_route {
        Path::Postmaster
    } else {
        Path::Address(address(mailbox, direction)?)
    };
    Ok(Split {
        path,
        source_route,
        parameters,
    })
}

fn address(text: &str, direction: Direction) -> Result<Address, Refusal> {
    Address::parse(text).map_err(|error| match (&error, direction) {
        (AddressError::Literal(_), Direction::Forward) => {
            Refusal::new::<550>(Detail::BAD_SYSTEM, "Address literals take no mail here")
        }
        (AddressError::Literal(_), Direction::Reverse) => Refusal::new::<550>(
            Detail::BAD_SENDER_SYSTEM,
            "Address literals are no senders here",
        ),
        _ => bad(direction, &error.to_string()),
    })
}

fn bad(direction: Direction, text: &str) -> Refusal {
    match direction {
        Direction::Reverse => Refusal::new::<553>(Detail::BAD_SENDER_SYNTAX, text),
        Direction::Forward => Refusal::new::<553>(Detail::BAD_MAILBOX_SYNTAX, text),
    }
}

/// What stands in the brackets, and what after them. A `>` inside a quoted string closes nothing.
fn brackets(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('<')?;
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let (inner, after) = inner.split_at_checked(at)?;
                return Some((inner, after.get(1..)?));
            }
            _ => {}
        }
    }
    None
}

/// Drops `@a,@b:`. Every part must be a domain or literal; a literal may hold colons.
fn strip_route(path: &str) -> Option<&str> {
    let mut rest = path;
    loop {
        rest = rest.strip_prefix('@')?;
        let (mut end, mut inside) = (None, false);
        for (at, c) in rest.char_indices() {
            match c {
                '[' => inside = true,
                ']' => inside = false,
                ',' | ':' if !inside => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let (host, after) = rest.split_at_checked(end?)?;
        Host::parse(host).ok()?;
        let last = after.starts_with(':');
        rest = after.get(1..)?;
        if last {
            return Some(rest);
        }
    }
}

//! The arguments of MAIL and RCPT: a path, then `KEYWORD=value` parameters.

use super::{
    Allowed,
    path::{Direction, Path, Split, split},
};
use crate::smtp::{
    BodyKind, Detail, ForwardPath, Mail, Notify, Orcpt, Rcpt, Refusal, Ret, ReversePath, xtext,
};

/// Most octets of an ENVID, decoded (RFC 3461, section 4.4).
const MAX_ENVID: usize = 100;
/// Most octets of an ORCPT value (RFC 3461, section 4.2).
const MAX_ORCPT: usize = 500;

/// Reads what stands after `MAIL FROM:`.
pub(super) fn mail(text: &str, allowed: Allowed) -> Result<Mail, Refusal> {
    let Split {
        path,
        source_route,
        parameters: given,
    } = split(text, Direction::Reverse, allowed.lenient_space)?;
    let reverse_path = match path {
        Path::Empty => ReversePath::Null,
        Path::Address(address) => ReversePath::Address(address),
        Path::Postmaster => {
            return Err(Refusal::new::<553>(
                Detail::BAD_SENDER_SYNTAX,
                "The sender needs a domain",
            ));
        }
    };
    let mut mail = Mail {
        source_route,
        ..Mail::from(reverse_path)
    };
    for parameter in parameters(given, allowed)? {
        mail_parameter(&mut mail, parameter, allowed)?;
    }
    if !text.is_ascii() && !mail.smtputf8 {
        return Err(utf8_not_permitted());
    }
    Ok(mail)
}

fn mail_parameter(
    mail: &mut Mail,
    (key, value): (String, Option<&str>),
    allowed: Allowed,
) -> Result<(), Refusal> {
    let wrong = || wrong_value(&key);
    match (key.as_str(), value) {
        ("SIZE", Some(value)) => mail.size = Some(number(value).ok_or_else(wrong)?),
        ("BODY", Some(value)) => {
            mail.body = match value.to_ascii_uppercase().as_str() {
                "7BIT" => BodyKind::SevenBit,
                "8BITMIME" => BodyKind::EightBitMime,
                "BINARYMIME" if allowed.chunking => BodyKind::BinaryMime,
                _ => return Err(wrong()),
            };
        }
        ("SMTPUTF8", None) if allowed.smtputf8 => mail.smtputf8 = true,
        ("REQUIRETLS", None) if allowed.requiretls => mail.requiretls = true,
        ("RET", Some(value)) if allowed.dsn => {
            mail.ret = Some(match value.to_ascii_uppercase().as_str() {
                "FULL" => Ret::Full,
                "HDRS" => Ret::Headers,
                _ => return Err(wrong()),
            });
        }
        ("ENVID", Some(value)) if allowed.dsn => {
            let id = xtext::decode(value).filter(|id| !id.is_empty() && id.len() <= MAX_ENVID);
            mail.envid = Some(id.ok_or_else(wrong)?);
        }
        // RFC 4954, section 5: taken, and not trusted further.
        ("AUTH", Some(value)) if allowed.auth => {
            if value != "<>" && xtext::decode(value).is_none() {
                return Err(wrong());
            }
        }
        _ => return Err(unknown(&key)),
    }
    Ok(())
}

/// Reads what stands after `RCPT TO:`.
pub(super) fn rcpt(text: &str, allowed: Allowed) -> Result<Rcpt, Refusal> {
    if !text.is_ascii() && !allowed.utf8_transaction {
        return Err(utf8_not_permitted());
    }
    let Split {
        path,
        source_route,
        parameters: given,
    } = split(text, Direction::Forward, allowed.lenient_space)?;
    let forward_path = match path {
        Path::Postmaster => ForwardPath::Postmaster,
        Path::Address(address) => ForwardPath::Address(address),
        Path::Empty => {
            return Err(Refusal::new::<553>(
                Detail::BAD_MAILBOX_SYNTAX,
                "The recipient is empty",
            ));
        }
    };
    let mut rcpt = Rcpt {
        source_route,
        ..Rcpt::to(forward_path)
    };
    for (key, value) in parameters(given, allowed)? {
        match (key.as_str(), value) {
            ("NOTIFY", Some(value)) if allowed.dsn => {
                rcpt.notify = Some(notify(value).ok_or_else(|| wrong_value(&key))?);
            }
            ("ORCPT", Some(value)) if allowed.dsn => {
                rcpt.orcpt = Some(orcpt(value).ok_or_else(|| wrong_value(&key))?);
            }
            _ => return Err(unknown(&key)),
        }
    }
    Ok(rcpt)
}

fn notify(value: &str) -> Option<Notify> {
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for event in value.split(',') {
        match event.to_ascii_uppercase().as_str() {
            "SUCCESS" => success = true,
            "FAILURE" => failure = true,
            "DELAY" => delay = true,
            _ => return None,
        }
    }
    Some(Notify::On {
        success,
        failure,
        delay,
    })
}

fn orcpt(value: &str) -> Option<Orcpt> {
    let (kind, address) = value.split_once(';')?;
    let is_atom = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if value.len() > MAX_ORCPT || kind.is_empty() || !kind.bytes().all(is_atom) {
        return None;
    }
    let kind = kind.to_ascii_lowercase();
    let address = if kind == "utf-8" {
        xtext::decode_utf8(address)?
    } else {
        xtext::decode(address)?
    };
    (!address.is_empty()).then_some(Orcpt { kind, address })
}

/// Digits only, at most 20 (RFC 1870, section 3).
pub(super) fn number(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // More than a u64 holds is more than any limit: it is refused as too big, not as malformed.
    Some(text.parse().unwrap_or(u64::MAX))
}

/// The parameters, each key in upper case and at most once.
fn parameters(text: &str, allowed: Allowed) -> Result<Vec<(String, Option<&str>)>, Refusal> {
    let mut found: Vec<(String, Option<&str>)> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (word, None),
        };
        let key = key.to_ascii_uppercase();
        if !allowed.extended {
            return Err(unknown(&key));
        }
        if found.iter().any(|(k, _)| *k == key) {
            return Err(Refusal::new::<501>(
                Detail::INVALID_ARGUMENTS,
                &format!("{key} is given twice"),
            ));
        }
        found.push((key, value));
    }
    Ok(found)
}

fn unknown(key: &str) -> Refusal {
    let key: String = key.chars().take(40).collect();
    Refusal::new::<555>(
        Detail::INVALID_ARGUMENTS,
        &format!("Parameter {key} is not known here"),
    )
}

fn wrong_value(key: &str) -> Refusal {
    Refusal::new::<501>(
        Detail::INVALID_ARGUMENTS,
        &format!("The value of {key} is not valid"),
    )
}

fn utf8_not_permitted() -> Refusal {
    Refusal::new::<553>(
        Detail::UTF8_ADDRESS_NOT_PERMITTED,
        "Octets above 127 need SMTPUTF8 in MAIL",
    )
}

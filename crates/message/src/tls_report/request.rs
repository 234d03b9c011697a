//! The record by which a domain asks for reports (RFC 8460, section 3): `_smtp._tls.<domain>`.

use crate::address::{Address, Domain};

/// Places of one record that are read.
const MOST_PLACES: usize = 10;
/// Octets of a URL that is used.
const MOST_URL: usize = 2048;

/// Where a domain wants reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// By mail.
    pub mail: Vec<Address>,
    /// By HTTPS.
    pub https: Vec<HttpsPlace>,
}

/// A URL that reports are handed to: `https`, at the usual port, since a record must not point a server at any service it likes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsPlace {
    /// The host; no address, since its certificate is verified.
    pub host: Domain,
    /// Path and query, as the record has them.
    pub path: String,
}

impl Request {
    /// What the TXT records of `_smtp._tls.<domain>` ask for; `None` when there is not exactly one record of TLSRPT, or it is wrong,
    /// which means that nothing is asked for. Places of other kinds are passed over.
    #[must_use]
    pub fn of(records: &[String]) -> Option<Self> {
        let mut ours = records.iter().filter(|text| is_ours(text));
        match (ours.next(), ours.next()) {
            (Some(only), None) => Self::parse(only),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields: Vec<&str> = text.split(';').map(blank).collect();
        // A delimiter at the end is allowed, an empty field elsewhere is none.
        if fields.last().is_some_and(|last| last.is_empty()) {
            fields.pop();
        }
        let mut request = Self::default();
        let mut seen = false;
        for field in fields.into_iter().skip(1) {
            let (name, value) = field.split_once('=')?;
            if name.is_empty()
                || !name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
            {
                return None;
            }
            if name == "rua" {
                if seen {
                    return None;
                }
                seen = true;
                for place in value.split(',').map(blank).take(MOST_PLACES) {
                    request.place(place)?;
                }
            }
        }
        seen.then_some(request)
    }

    /// `None` when it is no URI.
    fn place(&mut self, uri: &str) -> Option<()> {
        let (scheme, rest) = uri.split_once(':')?;
        if scheme.eq_ignore_ascii_case("mailto") {
            let address = rest.split('?').next().unwrap_or_default();
            if let Ok(address) = Address::parse(&decoded(address)?) {
                self.mail.push(address);
            }
        } else if scheme.eq_ignore_ascii_case("https")
            && let Some(place) = https(rest)
        {
            self.https.push(place);
        }
        Some(())
    }
}

fn blank(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_ours(text: &str) -> bool {
    let rest = text.strip_prefix("v=TLSRPTv1");
    rest.is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with(';'))
}

fn https(rest: &str) -> Option<HttpsPlace> {
    let rest = rest.strip_prefix("//")?;
    if rest.len() > MOST_URL || !rest.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let host = authority.strip_suffix(":443").unwrap_or(authority);
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    // An address in figures is no name that a certificate is verified for.
    let named = host.bytes().any(|b| b.is_ascii_alphabetic());
    let host = Domain::parse(host).ok().filter(|_| named)?;
    Some(HttpsPlace { host, path })
}

/// Without percent encoding (RFC 3986, section 2.1).
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        octets.push(u8::try_from(high << 4 | low).ok()?);
    }
    String::from_utf8(octets).ok()
}

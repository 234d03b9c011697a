//! The domains that the text of a message leads to: what lists of domains in text (as SURBL and URIBL have them) are asked for.

use message::{
    Domain, Limits,
    mime::{Content, Structure},
};

/// Octets of each text that are looked at.
const MOST_TEXT: usize = 256 << 10;
/// Octets of a link's authority.
const MOST_AUTHORITY: usize = 512;
/// Labels of the longest name that is asked for, from the end: lists have registered domains, and some the hosts in them.
const MOST_LABELS: usize = 4;
/// Of the shortest.
const LEAST_LABELS: usize = 2;

/// The domains that links in the texts of `message` lead to, in order, each once, at most `most`.
#[must_use]
pub fn linked_domains(message: &[u8], most: usize) -> Vec<Domain> {
    let structure = Structure::parse(message, &Limits::default());
    let mut found: Vec<Domain> = Vec::new();
    for part in structure.root.walk() {
        if !matches!(part.content, Content::Text { .. }) {
            continue;
        }
        let raw = part.raw_body(message);
        let raw = raw.get(..MOST_TEXT).unwrap_or(raw);
        let Some(decoded) = part.encoding.decode(raw) else {
            continue;
        };
        let schemes = memchr::memmem::find_iter(&decoded, b"://").map(|at| at.saturating_add(3));
        for begin in schemes.chain(bare(&decoded)) {
            let Some(domain) = domain_at(decoded.get(begin..).unwrap_or_default()) else {
                continue;
            };
            if found.len() >= most {
                return found;
            }
            if !found.contains(&domain) {
                found.push(domain);
            }
        }
    }
    found
}

/// Where names stand that begin with `www.`, without a scheme.
fn bare(text: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memmem::find_iter(text, b"www.").filter(|at| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        before.is_none_or(|octet| !octet.is_ascii_alphanumeric() && !b"-._/@".contains(octet))
    })
}

/// The domain that an authority (RFC 3986, section 3.2) at the begin of `text` names; `None`: it names none, but an address perhaps.
fn domain_at(text: &[u8]) -> Option<Domain> {
    let ends = |octet: &u8| octet.is_ascii_whitespace() || b"/?#\\\"'<>()[]{},;|".contains(octet);
    let length = text
        .iter()
        .take(MOST_AUTHORITY)
        .take_while(|octet| !ends(octet));
    let authority = text.get(..length.count())?;
    // What stands before an @ is for people to read, and leads nowhere.
    let host = authority.rsplit(|octet| *octet == b'@').next()?;
    let host = host.split(|octet| *octet == b':').next()?;
    let host = String::from_utf8_lossy(host);
    let domain = Domain::parse(host.trim_end_matches('.')).ok()?;
    domain.as_str().contains('.').then_some(domain)
}

/// The names that a list is asked for about a domain: it and what it is in, the longest first.
pub(crate) fn asked(domain: &Domain) -> Vec<String> {
    let labels: Vec<&str> = domain.as_str().split('.').collect();
    let longest = labels.len().min(MOST_LABELS);
    let names = (LEAST_LABELS..=longest).rev();
    let names = names.filter_map(|count| labels.get(labels.len().checked_sub(count)?..));
    names.map(|labels| labels.join(".")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(kind: &str, body: &str) -> Vec<String> {
        let raw = format!("Content-Type: {kind}; charset=utf-8\r\n\r\n{body}\r\n");
        let domains = linked_domains(raw.as_bytes(), 20);
        domains.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn domains_of_links_are_found_whatever_stands_around_them() {
        let html = "<a href=\"https://Shop.Bad.example:8443/x?y\">good.example</a><img src='//x'><a href=http://plain.example>";
        assert_eq!(
            found("text/html", html),
            ["shop.bad.example", "plain.example"]
        );
        let text = "see (https://good.example@bad.example/), www.bare.example. awww.no.example http://192.0.2.1/ http://localhost/ \
                    http://例え.テスト/ https://bad.example/again ftp://[2001:db8::1]/";
        assert_eq!(
            found("text/plain", text),
            ["bad.example", "xn--r8jz45g.xn--zckzah", "www.bare.example"]
        );
        assert_eq!(
            found("application/octet-stream", "http://not.example/"),
            [""; 0]
        );
        let many: String = (0..100).map(|n| format!("http://a{n}.example/ ")).collect();
        assert_eq!(found("text/plain", &many).len(), 20);
        assert!(found("text/plain", &format!("http://{}", "a".repeat(100_000))).is_empty());
    }

    #[test]
    fn a_list_is_asked_for_the_host_and_what_it_is_in() {
        let of = |name: &str| asked(&Domain::parse(name).unwrap());
        assert_eq!(of("bad.example"), ["bad.example"]);
        assert_eq!(of("a.b.c.bad.co.jp"), ["c.bad.co.jp", "bad.co.jp", "co.jp"]);
    }
}

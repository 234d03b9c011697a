//! The trace field (RFC 5321, section 4.4).

use std::net::IpAddr;

use jiff::Timestamp;

use super::{ENOUGH, field};
use crate::{
    Address,
    header::{Header, format_date},
};

/// One `Received` field. What a peer claims is cleaned and bounded before it is written.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// What the client called itself in EHLO or HELO.
    pub helo: &'a str,
    /// Its network address. `None` hides it (a submitting client's, if the site so chooses).
    pub client: Option<IpAddr>,
    /// The name that DNS confirmed for the address, if any.
    pub client_name: Option<&'a str>,
    /// This server's name.
    pub by: &'a str,
    /// How it came (RFC 3848, RFC 6531): `SMTP`, `ESMTPS`, `ESMTPSA`, `UTF8SMTPS`, …
    pub with: &'a str,
    /// The TLS version and cipher, for a comment.
    pub tls: Option<&'a str>,
    /// The queue identifier.
    pub id: &'a str,
    /// The recipient, only when there is one: others must not learn of each other (RFC 5321, section 7.6).
    pub recipient: Option<&'a Address>,
    /// When it was received.
    pub at: Timestamp,
    /// The offset to write the date in, in minutes.
    pub offset_minutes: i16,
}

impl Received<'_> {
    /// The field with its line end.
    #[must_use]
    pub fn to_field(&self) -> String {
        let mut value = format!("from {}", atom(self.helo));
        if let Some(client) = self.client {
            let literal = match client {
                IpAddr::V4(ip) => format!("[{ip}]"),
                IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
            };
            match self.client_name {
                Some(name) => value.push_str(&format!(" ({} {literal})", atom(name))),
                None => value.push_str(&format!(" ({literal})")),
            }
        }
        value.push_str(&format!(" by {} with {}", atom(self.by), atom(self.with)));
        if let Some(tls) = self.tls {
            let words: Vec<String> = tls.split(' ').filter(|w| !w.is_empty()).map(atom).collect();
            value.push_str(&format!(" ({})", words.join(" ")));
        }
        value.push_str(&format!(" id {}", atom(self.id)));
        // An address with a space would be folded inside its quotes, and a UTF-8 one would make the message need SMTPUTF8.
        if let Some(recipient) = self
            .recipient
            .map(Address::to_string)
            .filter(|a| a.is_ascii() && !a.contains(' '))
        {
            value.push_str(&format!(" for <{recipient}>"));
        }
        value.push_str(&format!("; {}", format_date(self.at, self.offset_minutes)));
        field("Received", &value)
    }
}

/// A word without anything that has a meaning in the field; at most 255 characters.
fn atom(word: &str) -> String {
    let clean: String = word
        .chars()
        .take(255)
        .map(|c| {
            if c.is_ascii_alphanumeric() || ".-_:[]/+=".contains(c) {
                c
            } else {
                '?'
            }
        })
        .collect();
    if clean.is_empty() {
        "unknown".to_owned()
    } else {
        clean
    }
}

/// How many `Received` fields there are, wherever they stand: the number of hops, for the loop limit (RFC 5321, section
/// 6.3). Counts to 10,000.
#[must_use]
pub fn received_count(message: &[u8]) -> usize {
    Header::named(message, &["received"], ENOUGH).iter().count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_trace_line_tells_who_and_when() {
        let recipient = Address::parse("b@y.jp").unwrap();
        let mut received = Received {
            helo: "mail.x.jp",
            client: Some("192.0.2.1".parse().unwrap()),
            client_name: None,
            by: "mx.y.jp",
            with: "ESMTPS",
            tls: Some("TLSv1.3 TLS_AES_256_GCM_SHA384"),
            id: "0ABC",
            recipient: Some(&recipient),
            at: "2024-01-01T01:00:00Z".parse().unwrap(),
            offset_minutes: 540,
        };
        let unfolded = received.to_field().replace("\r\n", "");
        assert_eq!(
            unfolded,
            "Received: from mail.x.jp ([192.0.2.1]) by mx.y.jp with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id 0ABC \
             for <b@y.jp>; Mon, 01 Jan 2024 10:00:00 +0900"
        );
        received.helo = "x)\r\nEvil: 1";
        assert!(received.to_field().contains("from x???Evil:?1 "));
        let twice = format!("{}{}\r\n", received.to_field(), received.to_field());
        assert_eq!(received_count(twice.as_bytes()), 2);
    }
}

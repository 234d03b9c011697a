//! What is to be probed, and how far the probe may go.

use std::{net::IpAddr, time::Duration};

use rustls::RootCertStore;

use crate::Family;

/// How long one step may take, from a command to the end of its reply.
pub const STEP_TIME: Duration = Duration::from_secs(15);
/// How long all of it may take.
pub const TOTAL_TIME: Duration = Duration::from_secs(600);
/// How often each of the two cases is timed that must take the same time.
pub const SAMPLES: u16 = 10;
/// The most samples: each failed login is one more in somebody's trail.
pub const MOST_SAMPLES: u16 = 50;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SMTP between servers: an MTA (RFC 5321).
    Smtp,
    /// SMTP from mail programs: an MSA (RFC 6409).
    Submission,
    /// IMAP: an MRA.
    Imap,
    /// POP3: an MRA.
    Pop3,
}

impl Protocol {
    /// Its name as it is typed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
        }
    }

    /// The port it has when none is given.
    #[must_use]
    pub fn port(self, tls: Tls) -> u16 {
        match (self, tls) {
            (Self::Smtp, _) => 25,
            (Self::Submission, Tls::Implicit) => 465,
            (Self::Submission, _) => 587,
            (Self::Imap, Tls::Implicit) => 993,
            (Self::Imap, _) => 143,
            (Self::Pop3, Tls::Implicit) => 995,
            (Self::Pop3, _) => 110,
        }
    }

    /// Whether it is SMTP, from whomever.
    pub(crate) fn is_smtp(self) -> bool {
        matches!(self, Self::Smtp | Self::Submission)
    }

    /// Whether its clients go on without TLS, or with a certificate that nobody vouches for: then weak TLS is still better than
    /// the plain text that a refusal would lead to (RFC 7435), and faults of TLS are warnings.
    pub(crate) fn is_opportunistic(self) -> bool {
        self == Self::Smtp
    }
}

impl std::str::FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Smtp, Self::Submission, Self::Imap, Self::Pop3]
            .into_iter()
            .find(|protocol| protocol.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of smtp, submission, imap, pop3"))
    }
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// On a submission port after STARTTLS if that is offered; elsewhere only where a check is about TLS.
    AsUsual,
    /// After STARTTLS, before anything else is tried.
    StartTls,
    /// At once, before the greeting.
    Implicit,
}

/// What a port number means, the standard ones and those that end like them (20025 as 25).
#[must_use]
pub fn of_port(port: u16) -> Option<(Protocol, Tls)> {
    Some(match port % 1000 {
        25 => (Protocol::Smtp, Tls::AsUsual),
        465 => (Protocol::Submission, Tls::Implicit),
        587 => (Protocol::Submission, Tls::AsUsual),
        143 => (Protocol::Imap, Tls::AsUsual),
        993 => (Protocol::Imap, Tls::Implicit),
        110 => (Protocol::Pop3, Tls::AsUsual),
        995 => (Protocol::Pop3, Tls::Implicit),
        _ => return None,
    })
}

/// `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`, or an address of IPv6 by itself.
///
/// # Errors
/// What is wrong with the text.
pub fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let port = |digits: &str| {
        let port = digits.parse::<u16>().ok().filter(|port| *port > 0);
        port.map(Some)
            .ok_or_else(|| format!("{digits:?} is no port: 1 to 65535 is expected"))
    };
    let parted = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, rest)) => match rest.strip_prefix(':') {
                Some(digits) => (host, port(digits)?),
                None => return Err(format!("{text:?} goes on after the address with no port")),
            },
            None => return Err(format!("{text:?} lacks the closing bracket")),
        },
        None if text.parse::<IpAddr>().is_ok() => (text, None),
        None => match text.split_once(':') {
            Some((host, digits)) => (host, port(digits)?),
            None => (text, None),
        },
    };
    let (host, port) = parted;
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '/' && c != '@';
    if host.is_empty() || host.len() > 253 || !host.chars().all(plain) {
        return Err(format!("{host:?} is no host"));
    }
    Ok((host.to_owned(), port))
}

/// What is to be probed, and how far the probe may go.
#[derive(Clone, Debug)]
pub struct Plan {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What is spoken there.
    pub protocol: Protocol,
    /// When TLS begins.
    pub tls: Tls,
    /// The name that the certificate must have, if it is not `host`.
    pub name: Option<String>,
    /// Roots that vouch for the certificate; `None`: the system's.
    pub roots: Option<RootCertStore>,
    /// A domain that the server should take mail for.
    pub domain: Option<String>,
    /// An address that exists there.
    pub recipient: Option<String>,
    /// The sender of the probe.
    pub from: String,
    /// An address for which the server should take no mail.
    pub outside: String,
    /// Whether messages may be sent to `recipient`, or `deliver_to`; without it nothing is delivered.
    pub deliver: bool,
    /// An address that takes messages and throws them away, for those that are sent; `None`: they go to `recipient`.
    pub deliver_to: Option<String>,
    /// Whether logins may fail in the name of `recipient`, which can lock an account out for a while.
    pub logins: bool,
    /// How long one step may take.
    pub step_time: Duration,
    /// How long all of it may take.
    pub total_time: Duration,
    /// How often each case is timed.
    pub samples: u16,
    /// Only these families; empty: all.
    pub only: Vec<Family>,
}

impl Plan {
    /// The usual plan for a host.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16, protocol: Protocol, tls: Tls) -> Self {
        Self {
            host: host.into(),
            port,
            protocol,
            tls,
            name: None,
            roots: None,
            domain: None,
            recipient: None,
            from: "probe@example.net".to_owned(),
            outside: "relay-probe@example.com".to_owned(),
            deliver: false,
            deliver_to: None,
            logins: false,
            step_time: STEP_TIME,
            total_time: TOTAL_TIME,
            samples: SAMPLES,
            only: Vec::new(),
        }
    }

    /// What is wrong with it, for who typed it.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), String> {
        let addresses = [
            Some(&self.from),
            Some(&self.outside),
            self.recipient.as_ref(),
            self.deliver_to.as_ref(),
        ];
        for address in addresses.into_iter().flatten() {
            let plain = |part: &str| !part.is_empty() && part.bytes().all(is_plain);
            let parts = address.rsplit_once('@');
            if !parts.is_some_and(|(local, domain)| plain(local) && plain(domain)) {
                return Err(format!(
                    "{address:?} is no address of the form name@domain in ASCII"
                ));
            }
        }
        if let Some(domain) = &self.domain
            && (domain.is_empty() || !domain.bytes().all(is_plain))
        {
            return Err(format!("{domain:?} is no domain in ASCII"));
        }
        let of_recipient = self.recipient.as_deref().and_then(|r| r.rsplit_once('@'));
        let own = self
            .domain
            .as_deref()
            .or(of_recipient.map(|(_, domain)| domain));
        let outside = self.outside.rsplit_once('@').map(|(_, domain)| domain);
        if let (Some(own), Some(outside)) = (own, outside)
            && own.eq_ignore_ascii_case(outside)
        {
            return Err(format!(
                "{} is no address outside of {own}: --outside names another",
                self.outside
            ));
        }
        let delivers = self.deliver && self.deliver_to.is_none();
        if (delivers || self.logins) && self.recipient.is_none() {
            return Err(
                "sending mail and trying logins needs an address that exists: --recipient"
                    .to_owned(),
            );
        }
        if self.step_time.is_zero() || self.total_time.is_zero() {
            return Err("a time must be longer than no time at all".to_owned());
        }
        if !(2..=MOST_SAMPLES).contains(&self.samples) {
            return Err(format!("2 to {MOST_SAMPLES} samples can be taken"));
        }
        Ok(())
    }

    /// The name that the certificate must have.
    pub(crate) fn certificate_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.host)
    }
}

fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"._-+=@".contains(&octet)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let read = |text: &str| host_and_port(text);
        assert_eq!(read("mx.example").unwrap(), ("mx.example".into(), None));
        assert_eq!(
            read("mx.example:2525").unwrap(),
            ("mx.example".into(), Some(2525))
        );
        assert_eq!(read("[::1]:25").unwrap(), ("::1".into(), Some(25)));
        assert_eq!(read("::1").unwrap(), ("::1".into(), None));
        for text in [
            "",
            "mx.example:0",
            "mx.example:x",
            "[::1",
            "[::1]x",
            "a b",
            ":25",
            "a@b",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ports_tell_what_is_spoken() {
        assert_eq!(of_port(20_993), Some((Protocol::Imap, Tls::Implicit)));
        assert_eq!(of_port(25), Some((Protocol::Smtp, Tls::AsUsual)));
        assert_eq!(of_port(2525), None);
    }

    #[test]
    fn a_plan_that_cannot_be_meant_is_refused() {
        let usual = || Plan::new("mx.example", 25, Protocol::Smtp, Tls::AsUsual);
        usual().check().unwrap();
        let faults: [fn(&mut Plan); 9] = [
            |plan| plan.deliver = true,
            |plan| plan.logins = true,
            |plan| plan.samples = 1,
            |plan| plan.step_time = Duration::ZERO,
            |plan| plan.from = "nobody".into(),
            |plan| plan.recipient = Some("a b@c.example".into()),
            |plan| plan.domain = Some("a\r\nb".into()),
            |plan| plan.domain = Some("Example.com".into()),
            |plan| plan.recipient = Some("a@example.com".into()),
        ];
        for fault in faults {
            let mut plan = usual();
            fault(&mut plan);
            assert!(plan.check().is_err());
        }
    }
}

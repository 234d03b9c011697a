//! What a server says it can do, in its reply to EHLO.

use crate::{sasl::Mechanism, smtp::Reply};

/// The extensions of a server. All off after HELO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// EHLO worked.
    pub extended: bool,
    /// PIPELINING
    pub pipelining: bool,
    /// SIZE is there, so the parameter may be used.
    pub size: bool,
    /// The largest message in octets, if SIZE tells one.
    pub max_size: Option<u64>,
    /// 8BITMIME
    pub eight_bit_mime: bool,
    /// SMTPUTF8
    pub smtputf8: bool,
    /// STARTTLS
    pub starttls: bool,
    /// DSN
    pub dsn: bool,
    /// CHUNKING
    pub chunking: bool,
    /// BINARYMIME
    pub binary_mime: bool,
    /// REQUIRETLS
    pub requiretls: bool,
    /// The mechanisms of AUTH that are known here.
    pub mechanisms: Vec<Mechanism>,
    /// LIMITS RCPTMAX: recipients of a transaction.
    pub max_recipients: Option<usize>,
    /// LIMITS MAILMAX: transactions of a session.
    pub max_transactions: Option<usize>,
}

impl Capabilities {
    /// Reads a positive reply to EHLO. Unknown and malformed lines are passed over.
    #[must_use]
    pub fn from_ehlo(reply: &Reply) -> Self {
        let mut found = Self {
            extended: true,
            ..Self::default()
        };
        for line in reply.lines().iter().skip(1) {
            found.take_line(line);
        }
        found
    }

    fn take_line(&mut self, line: &str) {
        // `AUTH=LOGIN PLAIN` is how some old servers write it.
        let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        match keyword.as_str() {
            "PIPELINING" => self.pipelining = true,
            "SIZE" => {
                self.size = true;
                self.max_size = words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
            }
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "STARTTLS" => self.starttls = true,
            "DSN" => self.dsn = true,
            "CHUNKING" => self.chunking = true,
            "BINARYMIME" => self.binary_mime = true,
            "REQUIRETLS" => self.requiretls = true,
            "AUTH" => {
                let known = words.filter_map(|name| name.parse::<Mechanism>().ok());
                for mechanism in known {
                    if !self.mechanisms.contains(&mechanism) {
                        self.mechanisms.push(mechanism);
                    }
                }
            }
            "LIMITS" => self.take_limits(line),
            _ => {}
        }
    }

    fn take_limits(&mut self, line: &str) {
        for (name, value) in line.split(' ').filter_map(|word| word.split_once('=')) {
            let value = value.parse().ok().filter(|n| *n > 0);
            if name.eq_ignore_ascii_case("RCPTMAX") {
                self.max_recipients = value;
            } else if name.eq_ignore_ascii_case("MAILMAX") {
                self.max_transactions = value;
            }
        }
    }
}

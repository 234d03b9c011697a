//! Reports of abuse for programs (RFC 5965).

use crate::{Address, Domain};

/// Octets of a reported header that are told.
pub const MOST_HEADER: usize = 16 << 10;

/// Characters of a line of it that are told: no line of mail is longer (RFC 5321, section 4.5.3.1.6).
const MOST_LINE: usize = 990;

/// What a report says of a message with malware.
#[derive(Clone, Copy, Debug)]
pub struct Feedback<'a> {
    /// Name and version of the program that reports.
    pub user_agent: &'a str,
    /// The server that met the message.
    pub reporting_mta: &'a Domain,
    /// The address it came from.
    pub source: &'a str,
    /// The envelope's sender; empty: the null sender.
    pub sender: &'a str,
    /// Who is shown to have sent it, or else the name of the source; empty: nobody.
    pub domain: &'a str,
    /// When it came, as RFC 5322 writes times.
    pub arrival: &'a str,
    /// What a scanner calls it.
    pub malware: &'a str,
}

impl Feedback<'_> {
    /// The part of the type message/feedback-report.
    #[must_use]
    pub fn to_fields(&self) -> String {
        let mut fields = String::new();
        let mut add = |name: &str, value: &str| {
            // What came from outside stays in its line.
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            if !value.is_empty() {
                fields.push_str(&format!("{name}: {value}\r\n"));
            }
        };
        add("Feedback-Type", "virus");
        add("User-Agent", self.user_agent);
        add("Version", "1");
        add("Original-Mail-From", &format!("<{}>", self.sender));
        add("Arrival-Date", self.arrival);
        add("Reporting-MTA", &format!("dns; {}", self.reporting_mta));
        add("Source-IP", self.source);
        add("Reported-Domain", self.domain);
        add("Incidents", "1");
        add("X-Malware", self.malware);
        fields
    }
}

/// The header of a message, with its lines ended as mail has them, cut after a whole field at [`MOST_HEADER`] octets. What is not
/// ASCII and no UTF-8 is replaced.
#[must_use]
pub fn header_of(raw: &[u8]) -> String {
    let mut header = String::new();
    let mut whole = 0;
    for line in raw.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        let is_end = text.is_empty();
        if !text.starts_with([' ', '\t']) {
            whole = header.len();
        }
        if is_end || header.len().saturating_add(text.len()) > MOST_HEADER {
            break;
        }
        let shown = text.chars().filter(|c| *c == '\t' || !c.is_control());
        header.extend(shown.take(MOST_LINE));
        header.push_str("\r\n");
    }
    if header.len() > whole && whole > 0 && header.len() >= MOST_HEADER {
        header.truncate(whole);
    }
    header
}

/// Where reports about a domain go if nobody says otherwise (RFC 2142, section 2).
#[must_use]
pub fn abuse_address(domain: &str) -> Option<Address> {
    Address::parse(&format!("abuse@{domain}")).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_from_outside_makes_a_field_of_its_own() {
        let mta = Domain::parse("mx.city.example").unwrap();
        let fields = Feedback {
            user_agent: "Kakitome/1",
            reporting_mta: &mta,
            source: "192.0.2.1",
            sender: "a@b.example\r\nSource-IP: 192.0.2.9",
            domain: "",
            arrival: "Sat, 28 Nov 2026 05:00:00 +0000",
            malware: "Bad\nThing",
        }
        .to_fields();
        let names: Vec<&str> = fields
            .lines()
            .filter_map(|line| Some(line.split_once(':')?.0))
            .collect();
        assert_eq!(
            names,
            [
                "Feedback-Type",
                "User-Agent",
                "Version",
                "Original-Mail-From",
                "Arrival-Date",
                "Reporting-MTA",
                "Source-IP",
                "Incidents",
                "X-Malware"
            ]
        );
    }

    #[test]
    fn a_header_ends_where_it_ends_and_is_bounded() {
        assert_eq!(
            header_of(b"A: b\r\n c\nD: e\r\n\r\nbody"),
            "A: b\r\n c\r\nD: e\r\n"
        );
        let endless = b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(10_000);
        let header = header_of(&endless);
        assert!(header.len() <= MOST_HEADER + 2 && header.ends_with("\r\n"));
        assert!(header_of(&vec![b'x'; 1 << 20]).len() <= MOST_HEADER);
        assert_eq!(
            abuse_address("b.example").unwrap().to_string(),
            "abuse@b.example"
        );
        assert!(abuse_address("not a domain").is_none());
    }
}

//! Mail with a report for programs: a few words for people, and the report as an attachment.

use message::{
    Address,
    build::{Missing, field},
};

use crate::{Transfer, notice::base64};

/// Such a message.
pub(crate) struct ReportMail<'a> {
    /// Whose name it is sent in; its domain signs.
    pub(crate) from: &'a Address,
    /// Its subject, in ASCII: programs read it.
    pub(crate) subject: &'a str,
    /// Its own media type, with parameters that are its own, too.
    pub(crate) kind: &'a str,
    /// More fields, each whole.
    pub(crate) fields: &'a str,
    /// Its words, in ASCII and in lines ending with CR LF.
    pub(crate) text: &'a str,
    /// The report's media type.
    pub(crate) media_type: &'a str,
    /// The name of its file; it holds nothing that has to be quoted.
    pub(crate) file: &'a str,
    /// The report.
    pub(crate) octets: &'a [u8],
}

impl ReportMail<'_> {
    /// The message for `to`.
    pub(crate) fn compose(&self, transfer: &Transfer, to: &[Address]) -> Vec<u8> {
        let (settings, world) = (transfer.settings(), transfer.world());
        let names: Vec<String> = to.iter().map(Address::to_string).collect();
        let unique = format!("{:032x}", u128::from_le_bytes(world.bytes()));
        let missing = Missing {
            at: world.now(),
            offset_minutes: 0,
            unique: &unique,
            domain: &settings.hostname,
        };
        // Base64 has no `=_`, and the words are ours: the boundary stands nowhere else.
        let boundary = format!("=_{unique}");
        let mut raw = String::new();
        raw.push_str(&field("From", &self.from.to_string()));
        raw.push_str(&field("To", &names.join(", ")));
        raw.push_str(&field("Subject", self.subject));
        raw.push_str(self.fields);
        // Nobody's program is to answer it (RFC 3834, section 5).
        raw.push_str(&field("Auto-Submitted", "auto-generated"));
        raw.push_str(&field("MIME-Version", "1.0"));
        let kind = format!("{}; boundary=\"{boundary}\"", self.kind);
        raw.push_str(&field("Content-Type", &kind));
        raw.push_str(&missing.fields_for(b"\r\n"));
        raw.push_str("\r\n--");
        raw.push_str(&boundary);
        raw.push_str("\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n");
        raw.push_str(self.text);
        raw.push_str("\r\n--");
        raw.push_str(&boundary);
        raw.push_str("\r\n");
        raw.push_str(&field("Content-Type", self.media_type));
        raw.push_str(&field("Content-Transfer-Encoding", "base64"));
        let place = format!("attachment; filename=\"{}\"", self.file);
        raw.push_str(&field("Content-Disposition", &place));
        raw.push_str("\r\n");
        raw.push_str(&base64(self.octets));
        raw.push_str("--");
        raw.push_str(&boundary);
        raw.push_str("--\r\n");
        raw.into_bytes()
    }
}

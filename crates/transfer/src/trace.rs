//! Parts of trace fields (RFC 5321, section 4.4).

use message::address::Address;

/// How an exchange server tells its mailbox server what the verdict was. Nobody gains by forging it: all it can do is to put the
/// message into Junk.
pub(crate) const HANDLING_FIELD: &str = "X-Kakitome-Handling";

/// The protocol's name in a Received line (RFC 3848, 6531).
pub(crate) fn protocol(extended: bool, utf8: bool, tls: bool, authenticated: bool) -> &'static str {
    match (extended, utf8, tls, authenticated) {
        (_, true, false, false) => "UTF8SMTP",
        (_, true, true, false) => "UTF8SMTPS",
        (_, true, false, true) => "UTF8SMTPA",
        (_, true, true, true) => "UTF8SMTPSA",
        (false, false, ..) => "SMTP",
        (true, false, false, false) => "ESMTP",
        (true, false, true, false) => "ESMTPS",
        (true, false, false, true) => "ESMTPA",
        (true, false, true, true) => "ESMTPSA",
    }
}

/// The field that final delivery puts on top (RFC 5321, section 4.4).
pub(crate) fn return_path(sender: Option<&Address>) -> String {
    sender.map_or_else(
        || "Return-Path: <>\r\n".to_owned(),
        |sender| format!("Return-Path: <{sender}>\r\n"),
    )
}

/// A stored message as it goes to another server: without the Return-Path on top, which is there when the
/// same body lies in a mailbox here too. It tells the last hop's business, and no relay may send it.
pub(crate) fn without_return_path(raw: &[u8]) -> &[u8] {
    without_field(raw, "return-path").unwrap_or(raw)
}

/// A message in a mailbox as it came: without what this server wrote on top, of which the Received field is the last.
pub(crate) fn as_it_came(raw: &[u8]) -> &[u8] {
    let mut rest = without_return_path(raw);
    rest = without_field(rest, "authentication-results").unwrap_or(rest);
    // The verdict's has the name that the settings gave it then.
    let follows = |raw| {
        [HANDLING_FIELD, "received"]
            .iter()
            .any(|name| begins_with(raw, name))
    };
    let is_ours = rest
        .get(..2)
        .is_some_and(|begin| begin.eq_ignore_ascii_case(b"x-"));
    if let Some(after) = without_any_field(rest)
        && (is_ours && follows(after) && !follows(rest))
    {
        rest = after;
    }
    rest = without_field(rest, HANDLING_FIELD).unwrap_or(rest);
    // Who puts a message into a mailbox by IMAP puts it as it is.
    without_field(rest, "received").unwrap_or(raw)
}

/// What follows a field, if the message begins with one of that name.
fn without_field<'a>(raw: &'a [u8], name: &str) -> Option<&'a [u8]> {
    begins_with(raw, name).then(|| without_any_field(raw))?
}

fn begins_with(raw: &[u8], name: &str) -> bool {
    let start = raw.get(..name.len());
    let is_it = start.is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()));
    is_it && raw.get(name.len()) == Some(&b':')
}

/// What follows the first field; `None`: there is none.
fn without_any_field(raw: &[u8]) -> Option<&[u8]> {
    if raw.is_empty() {
        return None;
    }
    let mut rest = raw;
    loop {
        let end = rest
            .iter()
            .position(|b| *b == b'\n')
            .map_or(rest.len(), |at| at.saturating_add(1));
        rest = rest.get(end..).unwrap_or_default();
        if !matches!(rest.first(), Some(b' ' | b'\t')) {
            return Some(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_server_wrote_on_top_goes() {
        let came = "From: <a@x.example>\r\n\r\ntext\r\n";
        let received = "Received: from a\r\n\tby b; date\r\n";
        for on_top in [
            "",
            "Return-Path: <a@x.example>\r\n",
            "Return-Path: <>\r\nAuthentication-Results: b; spf=pass\r\n",
            "Return-Path: <>\r\nAuthentication-Results: b;\r\n spf=pass\r\nX-Spam-Status: No,\r\n x\r\n",
            "X-Our-Own: Yes\r\nX-Kakitome-Handling: mark\r\n",
            "Authentication-Results: b; x\r\nX-Kakitome-Handling: mark\r\n",
        ] {
            let whole = format!("{on_top}{received}{came}");
            assert_eq!(as_it_came(whole.as_bytes()), came.as_bytes(), "{on_top}");
        }
        for appended in [came, "Delivered-To: x\r\nReceived: z\r\n\r\n", ""] {
            assert_eq!(as_it_came(appended.as_bytes()), appended.as_bytes());
        }
    }

    #[test]
    fn own_return_path_goes_and_the_rest_stays() {
        assert_eq!(
            without_return_path(b"Return-Path: <a@b>\r\nReceived: x\r\n"),
            b"Received: x\r\n"
        );
        assert_eq!(
            without_return_path(b"return-path:\r\n <a@b>\r\nA: b\r\n"),
            b"A: b\r\n"
        );
        assert_eq!(
            without_return_path(b"A: b\r\nReturn-Path: <>\r\n"),
            b"A: b\r\nReturn-Path: <>\r\n"
        );
        assert_eq!(without_return_path(b"Return-Path: <>"), b"");
    }
}

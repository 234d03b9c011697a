//! Parts of trace fields (RFC 5321, section 4.4).

use message::address::Address;

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
    const NAME: &[u8] = b"return-path:";
    let begins = raw
        .get(..NAME.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(NAME));
    if !begins {
        return raw;
    }
    let mut rest = raw;
    loop {
        let end = rest
            .iter()
            .position(|b| *b == b'\n')
            .map_or(rest.len(), |at| at.saturating_add(1));
        rest = rest.get(end..).unwrap_or_default();
        if !matches!(rest.first(), Some(b' ' | b'\t')) {
            return rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

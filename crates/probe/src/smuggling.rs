//! Smuggling: an end of a message, or of a line, that this server takes for one and others do not (clause 5.1(1)).
//!
//! Two servers that disagree about where a message ends can be made to take what stands within one for a second message, in
//! another's name. Only CR LF `.` CR LF ends a message (RFC 5321, section 4.1.1.4). Each trick puts another ending and a
//! command behind it into one message to the recipient, and counts the replies: more than one means that the command was
//! obeyed. Since an honest server may take the message, it needs consent.

use crate::{
    check::{Check, Doing, Family, Judged, SMTP, Work},
    context::{Context, Secure, Smtp},
    reply::{Reply, escape},
    trouble::Trouble,
};

/// The end of every message.
const END: &[u8] = b"\r\n.\r\n";
/// Replies that are waited for before the session must have ended.
const REPLIES: usize = 8;
/// Consent that is missing.
const CONSENT: &str =
    "it sends a message, which needs consent and an address that exists (--deliver --recipient)";

/// What is put in the place of an end.
#[derive(Clone, Copy)]
pub(crate) struct Ending(pub(crate) &'static [u8]);

const fn check(
    id: &'static str,
    english: &'static str,
    japanese: &'static str,
    work: Work,
) -> Check {
    Check::new(Family::Smuggling, "5.1(1)", [id, english, japanese], work)
        .at(&[crate::Protocol::Smtp])
}

const fn ending(
    id: &'static str,
    english: &'static str,
    japanese: &'static str,
    octets: &'static [u8],
) -> Check {
    check(id, english, japanese, Work::Ending(Ending(octets)))
}

#[rustfmt::skip]
pub(crate) const CHECKS: &[Check] = &[
    check("smuggling.command-lf", "A line of commands does not end at a bare LF", "単独の LF でコマンド行が終わらない", Work::Own(command_lf)).at(SMTP),
    check("smuggling.command-cr", "A line of commands does not end at a bare CR", "単独の CR でコマンド行が終わらない", Work::Own(command_cr)).at(SMTP),
    check("smuggling.command-null", "A null octet does not end a line of commands", "ヌル文字でコマンド行が終わらない", Work::Own(command_null)).at(SMTP),
    ending("smuggling.lf-dot-lf", "LF . LF does not end a message", "LF . LF で本文が終わらない", b"\n.\n"),
    ending("smuggling.lf-dot-crlf", "LF . CR LF does not end a message", "LF . CR LF で本文が終わらない", b"\n.\r\n"),
    ending("smuggling.lf-dot-cr", "LF . CR does not end a message", "LF . CR で本文が終わらない", b"\n.\r"),
    ending("smuggling.cr-dot-cr", "CR . CR does not end a message", "CR . CR で本文が終わらない", b"\r.\r"),
    ending("smuggling.cr-dot-crlf", "CR . CR LF does not end a message", "CR . CR LF で本文が終わらない", b"\r.\r\n"),
    ending("smuggling.cr-dot-lf", "CR . LF does not end a message", "CR . LF で本文が終わらない", b"\r.\n"),
    ending("smuggling.crlf-dot-lf", "CR LF . LF does not end a message", "CR LF . LF で本文が終わらない", b"\r\n.\n"),
    ending("smuggling.crlf-dot-cr", "CR LF . CR does not end a message", "CR LF . CR で本文が終わらない", b"\r\n.\r"),
    ending("smuggling.crlf-dot-crcrlf", "CR LF . CR CR LF does not end a message", "CR LF . CR CR LF で本文が終わらない", b"\r\n.\r\r\n"),
    ending("smuggling.crcrlf-dot-crcrlf", "CR CR LF . CR CR LF does not end a message", "CR CR LF . CR CR LF で本文が終わらない", b"\r\r\n.\r\r\n"),
    ending("smuggling.lflf-dot-crlf", "LF LF . CR LF does not end a message", "LF LF . CR LF で本文が終わらない", b"\n\n.\r\n"),
    ending("smuggling.lfcr-dot-lfcr", "LF CR . LF CR does not end a message", "LF CR . LF CR で本文が終わらない", b"\n\r.\n\r"),
    ending("smuggling.null-dot-crlf", "CR LF null . CR LF does not end a message", "CR LF ヌル . CR LF で本文が終わらない", b"\r\n\0.\r\n"),
    ending("smuggling.crlf-dot-null", "CR LF . null CR LF does not end a message", "CR LF . ヌル CR LF で本文が終わらない", b"\r\n.\0\r\n"),
    ending("smuggling.crlf-dot-space", "CR LF . space CR LF does not end a message", "CR LF . 空白 CR LF で本文が終わらない", b"\r\n. \r\n"),
    ending("smuggling.crlf-dots", "CR LF .. CR LF does not end a message", "CR LF .. CR LF で本文が終わらない", b"\r\n..\r\n"),
    ending("smuggling.vertical-tab", "Vertical tabs are no ends of lines", "垂直タブは行末ではない", b"\x0b.\x0b"),
    ending("smuggling.form-feed", "Form feeds are no ends of lines", "改ページは行末ではない", b"\x0c.\x0c"),
    ending("smuggling.next-line", "NEL (U+0085) is no end of a line", "NEL (U+0085) は行末ではない", b"\xc2\x85.\xc2\x85"),
    ending("smuggling.line-separator", "U+2028 is no end of a line", "U+2028 は行末ではない", b"\xe2\x80\xa8.\xe2\x80\xa8"),
    check("smuggling.bdat-dot", "A dot within BDAT is content (RFC 3030)", "BDAT の中のドットは本文である", Work::Own(bdat_dot)),
    check("smuggling.bdat-size", "BDAT with a size beyond 64 bits is refused", "BDAT の桁あふれする大きさを拒否する", Work::Own(bdat_size)),
];

/// Tries one ending.
pub(crate) async fn run(
    context: &Context<'_>,
    id: &str,
    ending: &Ending,
) -> Result<Judged, Trouble> {
    let mut session = envelope(context).await?;
    let reply = session.ask("DATA").await?;
    if reply.code != 354 {
        return Ok(Judged::could_not_tell(format!(
            "DATA is not taken: {}",
            reply.text()
        )));
    }
    let (header, hidden) = (header(context, id), hidden(context));
    let content = [
        header.as_bytes(),
        b"This is harmless: it looks how this server finds the end of a message.",
        ending.0,
        hidden.as_bytes(),
        END,
    ];
    session.dialogue.octets(&content.concat()).await?;
    count(&mut session).await
}

/// A transaction up to where the content begins.
async fn envelope(context: &Context<'_>) -> Result<Smtp, Trouble> {
    if !context.plan.deliver {
        return Err(Trouble::NotAllowed(CONSENT));
    }
    let recipient = match &context.plan.deliver_to {
        Some(address) => address,
        None => context.recipient()?,
    };
    let mut session = context.smtp(Secure::AsUsual).await?;
    session
        .need(&format!("MAIL FROM:<{}>", context.plan.from))
        .await?;
    session.need(&format!("RCPT TO:<{recipient}>")).await?;
    Ok(session)
}

fn header(context: &Context<'_>, id: &str) -> String {
    let from = &context.plan.from;
    let to = context.plan.deliver_to.as_ref();
    let to = to.or(context.plan.recipient.as_ref());
    let to = to.map_or("", String::as_str);
    format!("From: <{from}>\r\nTo: <{to}>\r\nSubject: Kakitome probe: {id}\r\n\r\n")
}

/// What would begin a second message.
fn hidden(context: &Context<'_>) -> String {
    format!("MAIL FROM:<{}>", context.plan.from)
}

/// Counts the replies until the farewell is answered: to one message there is one.
async fn count(session: &mut Smtp) -> Result<Judged, Trouble> {
    let first = session.dialogue.reply().await?;
    session.dialogue.farewell("QUIT").await;
    let mut more: Vec<Reply> = Vec::new();
    while more.len() < REPLIES {
        match session.dialogue.reply().await {
            Ok(reply) if reply.code == 221 => break,
            Ok(reply) => more.push(reply),
            // It may hang up at once.
            Err(Trouble::Closed) => break,
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(judged(&first, &more))
}

fn judged(first: &Reply, more: &[Reply]) -> Judged {
    let told = first.text();
    match more {
        [] if first.is_positive() => Judged::pass(format!("one message, one reply: {told}")),
        [] => Judged::pass(format!("such a message is refused: {told}")),
        [next, ..] if next.code == 421 => Judged::pass(format!(
            "the message is answered {told}, and the session ends"
        )),
        [next, ..] => {
            let next = next.text();
            match first.is_positive() {
                true => Judged::fail(format!(
                    "what stood behind it was obeyed as a command: {told}, then {next}"
                )),
                false => Judged::warn(format!(
                    "the message was refused ({told}), but what stood behind it was read as a command: {next}"
                )),
            }
        }
    }
}

/// Two commands with `between` in place of the line end, which must not be two.
async fn command(context: &Context<'_>, between: &[u8], is_lf: bool) -> Result<Judged, Trouble> {
    let mut session = context.smtp(Secure::AsUsual).await?;
    let octets = [b"RSET".as_slice(), between, b"NOOP\r\n"].concat();
    session.dialogue.octets(&octets).await?;
    let first = match session.dialogue.reply().await {
        Err(Trouble::Closed) => return Ok(Judged::pass("the server hangs up")),
        reply => reply?,
    };
    session.dialogue.farewell("QUIT").await;
    let next = match session.dialogue.reply().await {
        Err(Trouble::Closed) => return Ok(Judged::pass(format!("refused: {}", first.text()))),
        reply => reply?,
    };
    let (told, shown) = (first.text(), escape(between));
    Ok(match (next.code, is_lf) {
        (221 | 421, _) if first.is_positive() => {
            Judged::warn(format!("taken for one command in spite of {shown}: {told}"))
        }
        (221 | 421, _) => Judged::pass(format!("refused as one line: {told}")),
        // Within commands, where both sides wait for each other, it does less harm than within a message.
        (_, true) => Judged::warn(format!(
            "a bare LF ends a command: {told}, then {}",
            next.text()
        )),
        (_, false) => Judged::fail(format!(
            "{shown} ends a command: {told}, then {}",
            next.text()
        )),
    })
}

fn command_lf<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(command(context, b"\n", true))
}

fn command_cr<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(command(context, b"\r", false))
}

fn command_null<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(command(context, b"\0", false))
}

/// A chunk that looks as if it ended by a dot, with a command behind it.
fn bdat_dot<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut session = envelope(context).await?;
        if session.offered("CHUNKING").is_none() {
            return Ok(Judged::pass("CHUNKING is not offered"));
        }
        let head = header(context, "smuggling.bdat-dot");
        let content = [
            head.as_bytes(),
            b"One.",
            END,
            hidden(context).as_bytes(),
            b"\r\n",
        ]
        .concat();
        let command = format!("BDAT {} LAST\r\n", content.len());
        session
            .dialogue
            .octets(&[command.as_bytes(), &content].concat())
            .await?;
        count(&mut session).await
    })
}

/// A size that becomes small when it is cut to 64 bits. No chunk is the last one, so nothing is delivered.
fn bdat_size<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let recipient = context.recipient()?;
        let mut session = context.smtp(Secure::AsUsual).await?;
        if session.offered("CHUNKING").is_none() {
            session.quit().await;
            return Ok(Judged::pass("CHUNKING is not offered"));
        }
        session
            .need(&format!("MAIL FROM:<{}>", context.plan.from))
            .await?;
        session.need(&format!("RCPT TO:<{recipient}>")).await?;
        // 2⁶⁴ + 4: the four octets would be the chunk.
        session
            .dialogue
            .octets(b"BDAT 18446744073709551620\r\nx\r\nx")
            .await?;
        Ok(match session.dialogue.reply().await {
            Err(Trouble::Closed) => Judged::pass("the server hangs up"),
            Err(Trouble::Slow(_)) => {
                Judged::warn("the server waits for more octets than there are")
            }
            Err(trouble) => return Err(trouble),
            Ok(reply) if reply.is_positive() => {
                Judged::fail(format!("taken for a small chunk: {}", reply.text()))
            }
            Ok(reply) => Judged::pass(format!("refused: {}", reply.text())),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    fn reply(code: u16) -> Reply {
        Reply {
            code,
            lines: vec!["x".to_owned()],
        }
    }

    #[test]
    fn a_second_reply_is_the_fault() {
        let verdict = |first, more: &[u16]| {
            let more: Vec<Reply> = more.iter().map(|code| reply(*code)).collect();
            judged(&reply(first), &more).verdict
        };
        assert_eq!(verdict(250, &[]), Verdict::Pass);
        assert_eq!(verdict(550, &[]), Verdict::Pass);
        assert_eq!(verdict(250, &[250, 500]), Verdict::Fail);
        assert_eq!(verdict(550, &[250]), Verdict::Warn);
        assert_eq!(verdict(550, &[421]), Verdict::Pass);
    }

    #[test]
    fn no_ending_is_the_true_one() {
        for check in CHECKS {
            if let Work::Ending(Ending(octets)) = check.work {
                assert!(
                    !octets.windows(END.len()).any(|part| part == END),
                    "{}",
                    check.id
                );
            }
        }
    }
}

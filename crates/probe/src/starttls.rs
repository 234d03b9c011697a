//! The change to TLS in the middle of a session (RFC 3207, 2595, 9051): nothing from before it may count after it
//! (clause 4.1(2)).

use crate::{
    Protocol, Tls,
    check::{ALL, Check, Doing, Family, Judged, SMTP, Work},
    context::{Context, Secure},
    dialogue::Dialogue,
    trouble::Trouble,
};

const fn check(
    id: &'static str,
    protocols: &'static [Protocol],
    english: &'static str,
    japanese: &'static str,
    work: Work,
) -> Check {
    Check::new(Family::StartTls, "4.1(2)", [id, english, japanese], work)
        .at(protocols)
        .before_tls()
}

#[rustfmt::skip]
pub(crate) const CHECKS: &[Check] = &[
    check("starttls.offered", ALL, "TLS can be begun", "STARTTLS を提供している", Work::Own(offered)),
    check("starttls.injection", ALL, "A command sent along with STARTTLS is not obeyed under TLS", "STARTTLS と同時に送られたコマンドを TLS 内で実行しない", Work::Own(injection)),
    check("starttls.kept-state", SMTP, "A sender named before TLS is forgotten", "TLS 開始前の送信者を忘れる", Work::Own(kept_state)),
    check("starttls.goes-on-in-plain", ALL, "After STARTTLS nothing goes on in plain text", "STARTTLS の後に平文で続けられない", Work::Own(goes_on)),
    check("starttls.twice", ALL, "TLS is not offered within TLS", "TLS の中で STARTTLS を提供しない", Work::Own(twice)),
];

/// What is said within a session, by protocol.
struct Words {
    start: &'static str,
    /// Answered positively, and by something that no other answer looks like.
    injected: &'static str,
    farewell: &'static str,
}

fn words(protocol: Protocol) -> Words {
    match protocol {
        Protocol::Smtp | Protocol::Submission => Words {
            start: "STARTTLS",
            injected: "RSET",
            farewell: "QUIT",
        },
        Protocol::Imap => Words {
            start: "s STARTTLS",
            injected: "injected NOOP",
            farewell: "bye LOGOUT",
        },
        Protocol::Pop3 => Words {
            start: "STLS",
            injected: "CAPA",
            farewell: "QUIT",
        },
    }
}

/// The words that end a session.
pub(crate) fn farewell(protocol: Protocol) -> &'static str {
    words(protocol).farewell
}

/// What the server lists before a login.
pub(crate) async fn capabilities(
    context: &Context<'_>,
    dialogue: &mut Dialogue,
) -> Result<Vec<String>, Trouble> {
    Ok(match context.plan.protocol {
        Protocol::Smtp | Protocol::Submission => {
            let reply = dialogue.ask(&format!("EHLO {}", context.server.me)).await?;
            let lines = reply.lines.iter().skip(1);
            lines.map(|line| line.to_ascii_uppercase()).collect()
        }
        Protocol::Imap => dialogue.tagged("CAPABILITY").await?.capabilities(),
        Protocol::Pop3 => match dialogue.pop3("CAPA").await?.starts_with("+OK") {
            true => {
                let lines = dialogue.pop3_list().await?;
                lines.iter().map(|line| line.to_ascii_uppercase()).collect()
            }
            false => Vec::new(),
        },
    })
}

/// The same on a session that TLS began before anything else was said.
pub(crate) async fn capabilities_after_greeting(
    context: &Context<'_>,
    dialogue: &mut Dialogue,
) -> Result<Vec<String>, Trouble> {
    if context.plan.tls == Tls::Implicit {
        context.greeting(dialogue).await?;
    }
    capabilities(context, dialogue).await
}

fn keyword(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Pop3 => "STLS",
        _ => "STARTTLS",
    }
}

fn offered<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut dialogue = context.open(Secure::Plain).await?;
        let listed = capabilities(context, &mut dialogue).await?;
        let protocol = context.plan.protocol;
        let keyword = keyword(protocol);
        dialogue.farewell(farewell(protocol)).await;
        Ok(match listed.iter().any(|word| word == keyword) {
            true => Judged::pass(format!("{keyword} is offered")),
            false => Judged::weak_tls(
                protocol,
                format!("{keyword} is not offered: all of it crosses the network in plain text"),
            ),
        })
    })
}

/// A session that is ready for STARTTLS.
async fn ready(context: &Context<'_>) -> Result<Dialogue, Trouble> {
    match context.plan.protocol.is_smtp() {
        true => Ok(context.smtp(Secure::Plain).await?.dialogue),
        false => context.open(Secure::Plain).await,
    }
}

/// The first line that answers STARTTLS; whether TLS may begin.
async fn answered(
    context: &Context<'_>,
    dialogue: &mut Dialogue,
) -> Result<(bool, String), Trouble> {
    Ok(match context.plan.protocol {
        Protocol::Smtp | Protocol::Submission => {
            let reply = dialogue.reply().await?;
            (reply.code == 220, reply.text())
        }
        Protocol::Imap => {
            let answer = dialogue.answer("s").await?;
            (answer.is_ok(), answer.status)
        }
        Protocol::Pop3 => {
            let line = dialogue.pop3_status().await?;
            (line.starts_with("+OK"), line)
        }
    })
}

fn not_begun(answer: &str) -> Judged {
    Judged::could_not_tell(format!("TLS cannot be begun: {answer}"))
}

/// Both commands in one write; under TLS the farewell is said, and its answer must come first.
fn injection<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let protocol = context.plan.protocol;
        let words = words(protocol);
        let mut dialogue = ready(context).await?;
        let octets = format!("{}\r\n{}\r\n", words.start, words.injected);
        dialogue.octets(octets.as_bytes()).await?;
        let (begins, answer) = match answered(context, &mut dialogue).await {
            Err(Trouble::Closed) => return Ok(Judged::pass("the server hangs up")),
            answered => answered?,
        };
        if !begins {
            // Whether TLS is there at all is another check's matter.
            return Ok(match answer.starts_with("50") && protocol.is_smtp() {
                true => not_begun(&answer),
                false => Judged::pass(format!("refused as a whole: {answer}")),
            });
        }
        let mut dialogue = match dialogue.encrypt(&context.handshake).await {
            Ok(dialogue) => dialogue,
            Err(Trouble::Handshake(error)) => {
                return Ok(Judged::pass(format!("the session ends: {error}")));
            }
            Err(Trouble::Closed) => return Ok(Judged::pass("the session ends")),
            Err(trouble) => return Err(trouble),
        };
        dialogue.command(words.farewell).await?;
        let line = match dialogue.line().await {
            Err(Trouble::Closed) => return Ok(Judged::pass("the session ends")),
            line => line?,
        };
        let is_farewell = match protocol {
            Protocol::Smtp | Protocol::Submission => line.starts_with("221"),
            Protocol::Imap => line.starts_with("* BYE") || line.starts_with("bye "),
            // The answer to CAPA goes on, that to QUIT is one line.
            Protocol::Pop3 => matches!(dialogue.line().await, Err(Trouble::Closed)),
        };
        Ok(match is_farewell {
            true => Judged::pass("what was sent along is gone"),
            false => Judged::fail(format!(
                "a command that came before the handshake is answered after it: {line}"
            )),
        })
    })
}

/// MAIL before TLS, RCPT after it.
fn kept_state<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut session = context.smtp(Secure::Plain).await?;
        let mail = session
            .ask(&format!("MAIL FROM:<{}>", context.plan.from))
            .await?;
        if !mail.is_positive() {
            session.quit().await;
            return Ok(Judged::pass(format!(
                "no sender can be named before TLS: {}",
                mail.text()
            )));
        }
        let mut dialogue = match context.start_tls(session.dialogue).await {
            Err(Trouble::NoTls(answer)) if answer.starts_with("503") => {
                return Ok(Judged::pass(format!(
                    "TLS cannot be begun within a transaction: {answer}"
                )));
            }
            Err(Trouble::NoTls(answer)) => return Ok(not_begun(&answer)),
            dialogue => dialogue?,
        };
        let to = context
            .plan
            .recipient
            .as_ref()
            .unwrap_or(&context.plan.outside);
        let rcpt = dialogue.ask(&format!("RCPT TO:<{to}>")).await?;
        dialogue.farewell("QUIT").await;
        Ok(match (rcpt.code, rcpt.is_positive()) {
            (503, _) => Judged::pass(format!("forgotten: {}", rcpt.text())),
            (_, true) => Judged::fail(format!(
                "the sender from before TLS still counts: {}",
                rcpt.text()
            )),
            // Refused for the recipient's sake, or because nothing goes without EHLO.
            (_, false) => {
                Judged::could_not_tell(format!("the recipient is refused: {}", rcpt.text()))
            }
        })
    })
}

/// Plain text where the handshake should begin.
fn goes_on<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let words = words(context.plan.protocol);
        let mut dialogue = ready(context).await?;
        dialogue.command(words.start).await?;
        let (begins, answer) = answered(context, &mut dialogue).await?;
        if !begins {
            return Ok(not_begun(&answer));
        }
        dialogue.command(words.injected).await?;
        // An alert of TLS begins with the octet 21, and hanging up is an answer too.
        let said = match dialogue.some().await {
            Ok(said) => said,
            Err(Trouble::Closed) => return Ok(Judged::pass("the session ends")),
            Err(Trouble::Slow(_)) => {
                return Ok(Judged::pass(
                    "the server waits for the handshake and answers nothing",
                ));
            }
            Err(trouble) => return Err(trouble),
        };
        let ok: &[u8] = match context.plan.protocol {
            Protocol::Smtp | Protocol::Submission => b"250",
            Protocol::Imap => b"injected OK",
            Protocol::Pop3 => b"+OK",
        };
        Ok(match said.starts_with(ok) {
            true => Judged::fail("commands are obeyed in plain text after TLS was promised"),
            false => Judged::pass("no command is obeyed in plain text"),
        })
    })
}

fn twice<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut dialogue = match context.start_tls(ready(context).await?).await {
            Err(Trouble::NoTls(answer)) => return Ok(not_begun(&answer)),
            dialogue => dialogue?,
        };
        let listed = capabilities(context, &mut dialogue).await?;
        let protocol = context.plan.protocol;
        let keyword = keyword(protocol);
        dialogue.farewell(farewell(protocol)).await;
        Ok(match listed.iter().any(|word| word == keyword) {
            true => Judged::warn(format!(
                "{keyword} is offered although TLS is there (RFC 3207, section 4.2)"
            )),
            false => Judged::pass(format!("{keyword} is not offered any more")),
        })
    })
}

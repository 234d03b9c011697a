//! IMAP: no password without TLS, no session without a password (clause 4.1(2); RFC 9051, sections 6.2.1 and 11).

use crate::{
    Protocol, Tls,
    check::{Check, Doing, Family, Judged, Work},
    context::{Context, Secure},
    login::{after, in_plain, in_tls},
    starttls::farewell,
};

const fn check(
    id: &'static str,
    english: &'static str,
    japanese: &'static str,
    work: Work,
) -> Check {
    Check::new(Family::Imap, "4.1(2)", [id, english, japanese], work).at(&[Protocol::Imap])
}

#[rustfmt::skip]
pub(crate) const CHECKS: &[Check] = &[
    check("imap.plaintext-offered", "No login is offered without TLS", "TLS なしのログインを提供しない", Work::Own(offered)).before_tls(),
    check("imap.plaintext-login", "LOGIN is refused without TLS", "TLS なしの LOGIN を拒否する", Work::Own(taken)).before_tls(),
    check("imap.preauth", "The session begins without rights", "認証済みの状態で始まらない", Work::Own(preauth)),
    check("imap.before-login", "No mailbox can be opened before a login", "ログイン前にメールボックスを開けない", Work::Own(before_login)),
    check("imap.mechanisms", "No broken mechanism is offered", "弱い認証方式を提供しない", Work::Own(mechanisms)),
];

fn offered<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut dialogue = context.open(Secure::Plain).await?;
        let listed = dialogue.tagged("CAPABILITY").await?.capabilities();
        dialogue.farewell(farewell(Protocol::Imap)).await;
        if !listed.iter().any(|word| word == "LOGINDISABLED") {
            return Ok(Judged::fail(
                "LOGINDISABLED is not listed: programs send passwords in plain text",
            ));
        }
        Ok(in_plain(&after(&listed, "AUTH=")))
    })
}

/// For somebody who does not exist: a server that looks whether the password is right has taken it.
fn taken<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut dialogue = context.open(Secure::Plain).await?;
        let tag = dialogue.tag();
        let line = format!("{tag} LOGIN {} wrong\r\n", context.nobody);
        let words = format!("{tag} LOGIN ({}, a wrong password)", context.nobody);
        dialogue.octets_as(line.as_bytes(), &words).await?;
        let answer = dialogue.answer(&tag).await?;
        let listed = dialogue.tagged("CAPABILITY").await?.capabilities();
        dialogue.farewell(farewell(Protocol::Imap)).await;
        let status = answer.status.to_ascii_uppercase();
        let looked = status.contains("[AUTHENTICATIONFAILED]") || answer.is_ok();
        let refused = status.contains("[PRIVACYREQUIRED]")
            || status.starts_with("BAD")
            || listed.iter().any(|word| word == "LOGINDISABLED");
        Ok(match refused && !looked {
            true => Judged::pass(format!(
                "refused before the password is looked at: {}",
                answer.status
            )),
            false => Judged::fail(format!(
                "a password is taken in plain text: {}",
                answer.status
            )),
        })
    })
}

fn preauth<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let (mut dialogue, _) = context.connect().await?;
        let greeting = context.greeting(&mut dialogue).await?;
        dialogue.farewell(farewell(Protocol::Imap)).await;
        let harm = match context.plan.tls {
            Tls::Implicit => "whoever connects is somebody",
            // A client cannot begin TLS any more (RFC 9051, section 11.1).
            _ => "whoever connects is somebody, and TLS cannot be begun",
        };
        Ok(match greeting.to_ascii_uppercase().starts_with("PREAUTH") {
            true => Judged::fail(format!("{harm}: {greeting}")),
            false => Judged::pass("a login is needed"),
        })
    })
}

fn before_login<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut dialogue = context.open(Secure::AsUsual).await?;
        let select = dialogue.tagged("SELECT INBOX").await?;
        let list = dialogue.tagged("LIST \"\" \"*\"").await?;
        dialogue.farewell(farewell(Protocol::Imap)).await;
        Ok(match select.is_ok() || list.is_ok() {
            true => Judged::fail(format!(
                "commands on mailboxes are obeyed: {} / {}",
                select.status, list.status
            )),
            false => Judged::pass(format!("refused: {}", select.status)),
        })
    })
}

fn mechanisms<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut dialogue = context.open(Secure::Encrypted).await?;
        let listed = dialogue.tagged("CAPABILITY").await?.capabilities();
        dialogue.farewell(farewell(Protocol::Imap)).await;
        Ok(in_tls(&after(&listed, "AUTH=")))
    })
}

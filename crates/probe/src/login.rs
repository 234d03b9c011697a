//! Logins over SMTP: never in plain text, never by a mechanism that gives the password away (clauses 4.1(2), 6.1(1)).

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    Protocol,
    check::{Check, Doing, Family, Judged, SMTP, Work},
    context::{Context, Secure, Smtp},
    trouble::Trouble,
};

/// Mechanisms that send the password itself, or a word that is as good (RFC 4616, RFC 7628).
const REVEALING: &[&str] = &["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"];
/// Mechanisms that were broken or given up.
const BROKEN: &[&str] = &[
    "CRAM-MD5",
    "DIGEST-MD5",
    "NTLM",
    "SKEY",
    "OTP",
    "KERBEROS_V4",
];

const fn check(
    id: &'static str,
    english: &'static str,
    japanese: &'static str,
    work: Work,
) -> Check {
    Check::new(
        Family::Login,
        "4.1(2), 6.1(1)",
        [id, english, japanese],
        work,
    )
    .at(SMTP)
}

#[rustfmt::skip]
pub(crate) const CHECKS: &[Check] = &[
    check("login.plaintext-offered", "No login is offered without TLS", "TLS なしの認証を提供しない", Work::Own(offered)).before_tls(),
    check("login.plaintext-taken", "No password is asked for without TLS", "TLS なしではパスワードを受け取らない", Work::Own(taken)).before_tls(),
    check("login.mechanisms", "No broken mechanism is offered", "弱い認証方式を提供しない", Work::Own(mechanisms)),
    check("login.anonymous", "Nobody logs in as nobody (RFC 4505)", "匿名認証を許さない", Work::Own(anonymous)),
    check("login.required", "Nothing is sent without a login (clause 6.1(1)c)", "認証なしでは送信できない", Work::Own(required)).at(&[Protocol::Submission]),
];

/// The mechanisms of AUTH.
fn listed(session: &Smtp) -> Vec<String> {
    let words = session.offered("AUTH").unwrap_or_default();
    words.split_whitespace().map(str::to_owned).collect()
}

/// How mechanisms that are listed in plain text are judged.
pub(crate) fn in_plain(mechanisms: &[String]) -> Judged {
    let told = mechanisms.join(" ");
    if mechanisms
        .iter()
        .any(|one| REVEALING.contains(&one.as_str()))
    {
        return Judged::fail(format!(
            "passwords may cross the network in plain text: {told}"
        ));
    }
    match mechanisms.is_empty() {
        true => Judged::pass("no login is offered without TLS"),
        false => Judged::warn(format!(
            "logins are offered without TLS, though not of the password itself: {told}"
        )),
    }
}

/// How mechanisms that are listed under TLS are judged.
pub(crate) fn in_tls(mechanisms: &[String]) -> Judged {
    let told = mechanisms.join(" ");
    if mechanisms.iter().any(|one| one == "ANONYMOUS") {
        return Judged::fail(format!("anybody may log in: {told}"));
    }
    match mechanisms.iter().find(|one| BROKEN.contains(&one.as_str())) {
        Some(broken) => Judged::warn(format!(
            "{broken} is given up (RFC 6331 and others): {told}"
        )),
        None if told.is_empty() => Judged::pass("no login is offered"),
        None => Judged::pass(told),
    }
}

fn offered<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let session = context.smtp(Secure::Plain).await?;
        let mechanisms = listed(&session);
        session.quit().await;
        Ok(in_plain(&mechanisms))
    })
}

/// Asks for AUTH whether it is offered or not, for somebody who does not exist.
fn taken<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut session = context.smtp(Secure::Plain).await?;
        let message = BASE64_STANDARD.encode(format!("\0{}\0wrong", context.nobody));
        let words = format!("AUTH PLAIN ({}, a wrong password)", context.nobody);
        session
            .dialogue
            .octets_as(format!("AUTH PLAIN {message}\r\n").as_bytes(), &words)
            .await?;
        let plain = session.dialogue.reply().await?;
        let login = match plain.code {
            334 | 535 | 235 | 454 => None,
            _ => Some(session.ask("AUTH LOGIN").await?),
        };
        session.quit().await;
        let told = login.as_ref().unwrap_or(&plain).text();
        Ok(match (plain.code, login.map(|reply| reply.code)) {
            (235 | 334 | 535, _) | (_, Some(334)) => {
                Judged::fail(format!("a password is taken in plain text: {told}"))
            }
            _ => Judged::pass(format!("refused before any password is looked at: {told}")),
        })
    })
}

async fn encrypted(context: &Context<'_>) -> Result<Smtp, Trouble> {
    context.smtp(Secure::Encrypted).await
}

fn mechanisms<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let session = encrypted(context).await?;
        let mechanisms = listed(&session);
        session.quit().await;
        Ok(in_tls(&mechanisms))
    })
}

fn anonymous<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut session = encrypted(context).await?;
        let trace = BASE64_STANDARD.encode("probe");
        let mut reply = session.ask(&format!("AUTH ANONYMOUS {trace}")).await?;
        if reply.code == 334 {
            reply = session.ask(&trace).await?;
        }
        session.quit().await;
        Ok(match reply.is_positive() {
            true => Judged::fail(format!("nobody is logged in: {}", reply.text())),
            false => Judged::pass(format!("refused: {}", reply.text())),
        })
    })
}

/// Mail to somebody of the own domain, in the name of somebody of the own domain, without a login.
fn required<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut session = context.smtp(Secure::AsUsual).await?;
        let own = &context.server.own;
        let to = match &context.plan.recipient {
            Some(recipient) => recipient.clone(),
            None => format!("postmaster@{own}"),
        };
        let mail = session.ask(&format!("MAIL FROM:<probe@{own}>")).await?;
        let reply = match mail.is_positive() {
            true => session.ask(&format!("RCPT TO:<{to}>")).await?,
            false => mail,
        };
        session.dialogue.farewell("RSET").await;
        session.quit().await;
        let told = reply.text();
        Ok(if reply.is_positive() {
            Judged::fail(format!(
                "mail is taken from a client that has not logged in: {told}"
            ))
        } else if reply.code == 530 || reply.is_policy() {
            Judged::pass(format!("refused: {told}"))
        } else if reply.is_refused() {
            Judged::could_not_tell(format!(
                "refused, perhaps for another reason than a missing login: {told}"
            ))
        } else {
            Judged::could_not_tell(format!("put off: {told}"))
        })
    })
}

/// The words after a keyword in a list of capabilities, as `AUTH=` or `SASL` give mechanisms.
pub(crate) fn after<'l>(lines: impl IntoIterator<Item = &'l String>, prefix: &str) -> Vec<String> {
    let found = lines
        .into_iter()
        .filter_map(|line| line.strip_prefix(prefix));
    found
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn mechanisms_are_judged_by_what_they_send() {
        let plain = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            (in_plain(&words).verdict, in_tls(&words).verdict)
        };
        assert_eq!(plain(""), (Verdict::Pass, Verdict::Pass));
        assert_eq!(plain("SCRAM-SHA-256"), (Verdict::Warn, Verdict::Pass));
        assert_eq!(plain("SCRAM-SHA-256 PLAIN"), (Verdict::Fail, Verdict::Pass));
        assert_eq!(plain("CRAM-MD5"), (Verdict::Warn, Verdict::Warn));
        assert_eq!(plain("ANONYMOUS"), (Verdict::Warn, Verdict::Fail));
    }
}

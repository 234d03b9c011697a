//! POP3: no password without TLS, and no APOP (clause 4.1(2); RFC 2595, RFC 1939).

use crate::{
    Protocol,
    check::{Check, Doing, Family, Judged, Work},
    context::{Context, Secure},
    login::{after, in_plain, in_tls},
    starttls::{capabilities, farewell},
};

const fn check(
    id: &'static str,
    english: &'static str,
    japanese: &'static str,
    work: Work,
) -> Check {
    Check::new(Family::Pop3, "4.1(2)", [id, english, japanese], work).at(&[Protocol::Pop3])
}

#[rustfmt::skip]
pub(crate) const CHECKS: &[Check] = &[
    check("pop3.plaintext-offered", "No login is offered without TLS", "TLS なしのログインを提供しない", Work::Own(offered)).before_tls(),
    check("pop3.plaintext-login", "USER and PASS are refused without TLS", "TLS なしの USER と PASS を拒否する", Work::Own(taken)).before_tls(),
    check("pop3.apop", "APOP is not offered (RFC 6151)", "APOP を提供しない", Work::Own(apop)),
    check("pop3.before-login", "No mail can be seen before a login", "ログイン前にメールを読めない", Work::Own(before_login)),
    check("pop3.mechanisms", "No broken mechanism is offered", "弱い認証方式を提供しない", Work::Own(mechanisms)),
];

fn offered<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut dialogue = context.open(Secure::Plain).await?;
        let listed = capabilities(context, &mut dialogue).await?;
        dialogue.farewell(farewell(Protocol::Pop3)).await;
        if listed.is_empty() {
            return Ok(Judged::could_not_tell("CAPA is not answered"));
        }
        if listed.iter().any(|word| word == "USER") {
            return Ok(Judged::fail(
                "USER is listed: programs send passwords in plain text",
            ));
        }
        Ok(in_plain(&after(&listed, "SASL ")))
    })
}

/// For somebody who does not exist: a server that takes USER and asks for PASS has taken the password by then.
fn taken<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut dialogue = context.open(Secure::Plain).await?;
        let user = dialogue.pop3(&format!("USER {}", context.nobody)).await?;
        if !user.starts_with("+OK") {
            dialogue.farewell(farewell(Protocol::Pop3)).await;
            return Ok(Judged::pass(format!(
                "refused before any password is sent: {user}"
            )));
        }
        Ok(Judged::fail(format!(
            "a password is asked for in plain text: {user}"
        )))
    })
}

fn apop<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let (mut dialogue, _) = context.connect().await?;
        let greeting = context.greeting(&mut dialogue).await?;
        dialogue.farewell(farewell(Protocol::Pop3)).await;
        let has_stamp = greeting.split_once('<').is_some_and(|(_, rest)| {
            let inside = rest.split_once('>').map(|(inside, _)| inside);
            inside.is_some_and(|inside| inside.contains('@'))
        });
        Ok(match has_stamp {
            true => Judged::warn(format!(
                "APOP is offered: it rests on MD5, and on passwords that the server can read ({greeting})"
            )),
            false => Judged::pass("APOP is not offered"),
        })
    })
}

fn before_login<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut dialogue = context.open(Secure::AsUsual).await?;
        let stat = dialogue.pop3("STAT").await?;
        dialogue.farewell(farewell(Protocol::Pop3)).await;
        Ok(match stat.starts_with("+OK") {
            true => Judged::fail(format!("obeyed: {stat}")),
            false => Judged::pass(format!("refused: {stat}")),
        })
    })
}

fn mechanisms<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut dialogue = context.open(Secure::Encrypted).await?;
        let listed = capabilities(context, &mut dialogue).await?;
        dialogue.farewell(farewell(Protocol::Pop3)).await;
        Ok(in_tls(&after(&listed, "SASL ")))
    })
}

//! Whether a stranger learns who has a mailbox: by what is answered, or by how long that takes (clause 4.3(6)).

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::time::Instant;

use crate::{
    Protocol, Verdict,
    check::{Check, Doing, Family, Judged, SMTP, Work},
    context::{Context, Secure},
    reply::{Reply, neutral},
    timing::compare,
    trouble::Trouble,
};

/// Fewer of each case tell nothing.
const FEWEST: u16 = 3;
/// What takes longer than this, and far longer than the first, was slowed down on purpose.
const SLOWED: Duration = Duration::from_secs(1);
/// What looks like a fault is timed once more: a busy machine can look so once, but hardly twice.
const ROUNDS: usize = 2;
/// Where people log in.
const LOGINS: &[Protocol] = &[Protocol::Submission, Protocol::Imap, Protocol::Pop3];
/// Consent that is missing.
const CONSENT: &str = "it fails logins in somebody's name, which needs consent and an address that exists (--logins --recipient)";

const fn check(
    id: &'static str,
    protocols: &'static [Protocol],
    english: &'static str,
    japanese: &'static str,
    work: Work,
) -> Check {
    Check::new(Family::Enumeration, "4.3(6)", [id, english, japanese], work).at(protocols)
}

#[rustfmt::skip]
pub(crate) const CHECKS: &[Check] = &[
    check("enumeration.recipient-reply", SMTP, "RCPT answers alike for those who exist and those who do not", "RCPT の応答が利用者の有無で変わらない", Work::Own(recipient_reply)),
    check("enumeration.recipient-time", SMTP, "RCPT takes as long for those who exist as for those who do not", "RCPT の応答時間が利用者の有無で変わらない", Work::Own(recipient_time)),
    check("enumeration.login-reply", LOGINS, "A failed login is answered alike for those who exist and those who do not", "認証失敗の応答が利用者の有無で変わらない", Work::Own(login_reply)),
    check("enumeration.login-time", LOGINS, "A failed login takes as long for those who exist as for those who do not", "認証失敗の応答時間が利用者の有無で変わらない", Work::Own(login_time)),
];

/// The reply to RCPT, and how long it took; to MAIL, if that is refused already.
async fn ask_recipient(
    context: &Context<'_>,
    address: &str,
) -> Result<(Reply, Option<Duration>), Trouble> {
    let mut session = context.smtp(Secure::AsUsual).await?;
    let mail = session
        .ask(&format!("MAIL FROM:<{}>", context.plan.from))
        .await?;
    let asked = match mail.is_positive() {
        true => {
            let began = Instant::now();
            let reply = session.ask(&format!("RCPT TO:<{address}>")).await?;
            (reply, Some(began.elapsed()))
        }
        false => (mail, None),
    };
    session.dialogue.farewell("RSET").await;
    session.quit().await;
    Ok(asked)
}

fn recipient_reply<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let (known, nobody) = (context.recipient()?, context.nobody_here());
        let (of_known, _) = ask_recipient(context, known).await?;
        let (of_nobody, _) = ask_recipient(context, &nobody).await?;
        let (told, other) = (of_known.without(known), of_nobody.without(&nobody));
        if told == other {
            return Ok(Judged::pass(format!(
                "both are answered {}",
                of_known.text()
            )));
        }
        let reason = format!(
            "who exists is answered {}; who does not, {}",
            of_known.text(),
            of_nobody.text()
        );
        // An exchange must refuse unknown recipients while the client is there: to take their mail and return it would
        // make backscatter (clause 5.5).
        Ok(match context.plan.protocol {
            Protocol::Submission => Judged::fail(reason),
            _ => Judged::info(format!(
                "{reason}; an exchange has to refuse them here (clause 5.5(3))"
            )),
        })
    })
}

fn recipient_time<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let (known, nobody) = (context.recipient()?, context.nobody_here());
        let mut taken = Taken::default();
        for _ in 0..ROUNDS {
            for _ in 0..context.plan.samples {
                let (reply, time) = ask_recipient(context, known).await?;
                let (other, other_time) = ask_recipient(context, &nobody).await?;
                if reply.code != other.code {
                    let reason = "the replies differ already, so the time tells nothing more";
                    return Ok(Judged::info(reason));
                }
                let (Some(time), Some(other_time)) = (time, other_time) else {
                    let told = reply.text();
                    return Ok(Judged::pass(format!(
                        "no recipient is asked about before a login: {told}"
                    )));
                };
                taken.of_known.push(time);
                taken.of_nobody.push(other_time);
            }
            if taken.judged().verdict != Verdict::Fail {
                break;
            }
        }
        Ok(taken.judged())
    })
}

/// What a failed login is answered, without the identifier, and how long that took.
async fn fail_login(
    context: &Context<'_>,
    identifier: &str,
) -> Result<(String, Duration), Trouble> {
    let wrong = format!("wrong-{}", context.nobody);
    let (answer, time) = match context.plan.protocol {
        Protocol::Smtp | Protocol::Submission => {
            let mut session = context.smtp(Secure::Encrypted).await?;
            let message = BASE64_STANDARD.encode(format!("\0{identifier}\0{wrong}"));
            let began = Instant::now();
            let words = format!("AUTH PLAIN ({identifier}, a wrong password)");
            session
                .dialogue
                .octets_as(format!("AUTH PLAIN {message}\r\n").as_bytes(), &words)
                .await?;
            let reply = session.dialogue.reply().await?;
            let time = began.elapsed();
            session.quit().await;
            (reply.text(), time)
        }
        Protocol::Imap => {
            let mut dialogue = context.open(Secure::Encrypted).await?;
            let tag = dialogue.tag();
            let began = Instant::now();
            let words = format!("{tag} LOGIN ({identifier}, a wrong password)");
            let line = format!("{tag} LOGIN \"{identifier}\" \"{wrong}\"\r\n");
            dialogue.octets_as(line.as_bytes(), &words).await?;
            let answer = dialogue.answer(&tag).await?;
            let time = began.elapsed();
            dialogue.farewell("bye LOGOUT").await;
            (answer.status, time)
        }
        Protocol::Pop3 => {
            let mut dialogue = context.open(Secure::Encrypted).await?;
            let began = Instant::now();
            let first = dialogue.pop3(&format!("USER {identifier}")).await?;
            dialogue
                .octets_as(
                    format!("PASS {wrong}\r\n").as_bytes(),
                    "PASS (a wrong password)",
                )
                .await?;
            let second = dialogue.pop3_status().await?;
            let time = began.elapsed();
            dialogue.farewell("QUIT").await;
            (format!("{first} / {second}"), time)
        }
    };
    Ok((neutral(&answer, identifier), time))
}

fn consent<'c>(context: &'c Context<'_>) -> Result<&'c str, Trouble> {
    match context.plan.logins {
        true => context.recipient(),
        false => Err(Trouble::NotAllowed(CONSENT)),
    }
}

fn login_reply<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let (known, nobody) = (consent(context)?, context.nobody_here());
        let (of_known, _) = fail_login(context, known).await?;
        let (of_nobody, _) = fail_login(context, &nobody).await?;
        Ok(match of_known == of_nobody {
            true => Judged::pass(format!("both are answered {of_known}")),
            false => Judged::fail(format!(
                "who exists is answered {of_known}; who does not, {of_nobody}"
            )),
        })
    })
}

fn login_time<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let mut taken = Taken::default();
        for _ in 0..ROUNDS {
            taken.more(context).await?;
            if taken.judged().verdict != Verdict::Fail {
                break;
            }
        }
        Ok(taken.judged())
    })
}

/// How long the one case took, and the other.
#[derive(Default)]
struct Taken {
    of_known: Vec<Duration>,
    of_nobody: Vec<Duration>,
}

impl Taken {
    /// Lets more logins fail, in turn, so that what slows the server down slows both; none any more once it does so on purpose.
    async fn more(&mut self, context: &Context<'_>) -> Result<(), Trouble> {
        let (known, nobody) = (consent(context)?, context.nobody_here());
        for _ in 0..context.plan.samples {
            let Some(time) = sample(context, known, &self.of_known).await? else {
                break;
            };
            let Some(other) = sample(context, &nobody, &self.of_known).await? else {
                break;
            };
            self.of_known.push(time);
            self.of_nobody.push(other);
        }
        Ok(())
    }

    fn judged(&self) -> Judged {
        match self.of_known.len() < usize::from(FEWEST) {
            true => Judged::could_not_tell(format!(
                "failed logins are slowed down before there are {FEWEST} of each to compare, which slows guessing down too"
            )),
            false => compare(&self.of_known, &self.of_nobody),
        }
    }
}

/// How long a failed login takes; `None` once the server slows them down.
async fn sample(
    context: &Context<'_>,
    identifier: &str,
    before: &[Duration],
) -> Result<Option<Duration>, Trouble> {
    let time = match fail_login(context, identifier).await {
        Err(Trouble::Slow(_)) => return Ok(None),
        failed => failed?.1,
    };
    let usual = before.first().copied().unwrap_or(SLOWED);
    Ok((time < usual.saturating_mul(10).max(SLOWED)).then_some(time))
}

//! Relaying: the server should take mail for its own domains alone (clauses 5.1(1), 6.1(1)).
//!
//! Each trick is one transaction on a connection of its own, up to the reply to RCPT and no further, so that nothing is
//! delivered. That all are refused shows something only where the server takes mail for its own domain from the same client:
//! the control.

mod tricks;

use crate::{
    Protocol,
    check::{Check, Doing, Family, Judged, Work},
    context::{Context, Secure, Smtp, literal},
    reply::Reply,
    trouble::Trouble,
};

pub(crate) use tricks::TRICKS as CHECKS;

/// One way to ask for relaying. The templates are filled by [`Names::fill`].
#[derive(Clone, Copy)]
pub(crate) struct Trick {
    /// The name in EHLO.
    helo: &'static str,
    /// A command before MAIL; empty: none.
    before: &'static str,
    /// What follows `MAIL`.
    mail: &'static str,
    /// What follows `RCPT`.
    rcpt: &'static str,
    accepted: Accepted,
}

/// What it means when RCPT is accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepted {
    /// The address can mean nothing but somebody elsewhere.
    Outside,
    /// It may be taken for a strange local part: then any other nobody would be taken too.
    Perhaps,
    /// It is below or beside an own domain.
    Beside,
}

/// Whether the server takes mail for its own domain from us.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    Accepted,
    Refused(String),
    /// No address is known to ask with.
    Unknown,
}

/// What templates name.
struct Names<'c> {
    context: &'c Context<'c>,
    user: &'c str,
    ext: &'c str,
}

impl<'c> Names<'c> {
    fn of(context: &'c Context<'c>) -> Self {
        let outside = &context.plan.outside;
        let (user, ext) = outside.rsplit_once('@').unwrap_or((outside, "example.com"));
        Self { context, user, ext }
    }

    fn fill(&self, template: &str) -> String {
        let server = &self.context.server;
        template
            .replace("{me}", &server.me)
            .replace("{from}", &self.context.plan.from)
            .replace("{USER}", &self.user.to_ascii_uppercase())
            .replace("{EXT}", &self.ext.to_ascii_uppercase())
            .replace("{user}", self.user)
            .replace("{ext}", self.ext)
            .replace("{own}", &server.own)
            .replace("{alike}", &alike(&server.own))
            .replace("{host}", &server.name)
            .replace("{ip}", &literal(server.address.ip()))
    }
}

/// A domain that looks like `domain` and is another: its first letter that has a twin is Cyrillic, else Greek omicron is put
/// before it.
fn alike(domain: &str) -> String {
    for (latin, cyrillic) in [("a", "а"), ("e", "е"), ("o", "о"), ("c", "с"), ("i", "і")] {
        if domain.contains(latin) {
            return domain.replacen(latin, cyrillic, 1);
        }
    }
    format!("ο{domain}")
}

/// Tries one trick.
pub(crate) async fn run(context: &Context<'_>, trick: &Trick) -> Result<Judged, Trouble> {
    let names = Names::of(context);
    let mut session = context
        .smtp_as(&names.fill(trick.helo), Secure::AsUsual)
        .await?;
    if !trick.before.is_empty() {
        let reply = session.ask(&names.fill(trick.before)).await?;
        if !reply.is_positive() {
            session.quit().await;
            return Ok(Judged::pass(format!(
                "the command is not taken: {}",
                reply.text()
            )));
        }
        // XCLIENT begins the session anew (Postfix' XCLIENT_README).
        session
            .ask(&format!("EHLO {}", names.fill(trick.helo)))
            .await?;
    }
    let mail = session
        .ask(&format!("MAIL {}", names.fill(trick.mail)))
        .await?;
    let judged = if mail.is_positive() {
        let rcpt = session
            .ask(&format!("RCPT {}", names.fill(trick.rcpt)))
            .await?;
        match rcpt.is_positive() {
            true => accepted(context, trick, &rcpt, &mut session).await?,
            false => refused(context, &rcpt, "").await,
        }
    } else {
        refused(context, &mail, " at MAIL already").await
    };
    session.dialogue.farewell("RSET").await;
    session.quit().await;
    Ok(judged)
}

async fn refused(context: &Context<'_>, reply: &Reply, when: &str) -> Judged {
    let told = reply.text();
    if reply.is_put_off() && !reply.is_policy() {
        return Judged::could_not_tell(format!("put off{when}, not refused: {told}"));
    }
    if let Control::Refused(own) = control(context).await {
        return Judged::could_not_tell(format!(
            "refused{when}, but so is mail for its own domain ({own}): this client may be refused whatever it asks"
        ));
    }
    Judged::pass(match reply.is_put_off() {
        true => format!("refused{when} for now, by a rule: {told}"),
        false => format!("refused{when}: {told}"),
    })
}

async fn accepted(
    context: &Context<'_>,
    trick: &Trick,
    rcpt: &Reply,
    session: &mut Smtp,
) -> Result<Judged, Trouble> {
    let told = rcpt.text();
    Ok(match trick.accepted {
        Accepted::Outside => Judged::fail(format!(
            "taken, though it is for somebody elsewhere: {told}"
        )),
        Accepted::Beside => Judged::warn(format!(
            "taken, though it is not of {}: {told}",
            context.server.own
        )),
        Accepted::Perhaps => {
            session.need("RSET").await?;
            session
                .need(&format!("MAIL FROM:<{}>", context.plan.from))
                .await?;
            let nobody = context.nobody_here();
            match session
                .ask(&format!("RCPT TO:<{nobody}>"))
                .await?
                .is_positive()
            {
                false => Judged::fail(format!(
                    "taken ({told}), while an unknown address of its own domain is refused: it would go elsewhere"
                )),
                true => Judged::warn(format!(
                    "taken ({told}), as any address of its own domain is: only a delivery would show where it goes"
                )),
            }
        }
    })
}

/// Asks once whether mail for the own domain is taken.
async fn control(context: &Context<'_>) -> Control {
    let asking = async {
        let Ok(recipient) = context.recipient() else {
            return Control::Unknown;
        };
        // A submission service takes nothing at all before a login.
        if context.plan.protocol == Protocol::Submission {
            return Control::Unknown;
        }
        match ask_control(context, recipient).await {
            Ok(reply) if reply.is_positive() => Control::Accepted,
            Ok(reply) => Control::Refused(reply.text()),
            Err(trouble) => Control::Refused(trouble.to_string()),
        }
    };
    context.control.get_or_init(|| asking).await.clone()
}

async fn ask_control(context: &Context<'_>, recipient: &str) -> Result<Reply, Trouble> {
    let mut session = context.smtp(Secure::AsUsual).await?;
    let mail = session
        .ask(&format!("MAIL FROM:<{}>", context.plan.from))
        .await?;
    if !mail.is_positive() {
        return Ok(mail);
    }
    let reply = session.ask(&format!("RCPT TO:<{recipient}>")).await?;
    session.dialogue.farewell("RSET").await;
    session.quit().await;
    Ok(reply)
}

/// `relay.control`
pub(crate) fn run_control<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        Ok(match control(context).await {
            Control::Accepted => Judged::pass("mail for its own domain is taken from this client"),
            Control::Refused(why) => Judged::could_not_tell(format!(
                "mail for its own domain is not taken from this client ({why}), so refusals show nothing"
            )),
            Control::Unknown => Judged::could_not_tell(
                "no address that exists is known (--recipient): a client that is refused whatever it asks would look the same",
            ),
        })
    })
}

/// `relay.after-own-recipient`: one recipient that is taken must not open the way for the next.
pub(crate) fn after_own<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let recipient = context.recipient()?;
        let mut session = context.smtp(Secure::AsUsual).await?;
        session
            .need(&format!("MAIL FROM:<{}>", context.plan.from))
            .await?;
        session.need(&format!("RCPT TO:<{recipient}>")).await?;
        let rcpt = session
            .ask(&format!("RCPT TO:<{}>", context.plan.outside))
            .await?;
        session.dialogue.farewell("RSET").await;
        session.quit().await;
        Ok(match rcpt.is_positive() {
            true => Judged::fail(format!(
                "taken after a recipient of its own: {}",
                rcpt.text()
            )),
            false => refused(context, &rcpt, "").await,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_homograph_looks_alike_and_is_another() {
        for domain in ["city.example", "xxx"] {
            let twin = alike(domain);
            assert_ne!(twin, domain);
            assert!(!twin.is_ascii());
        }
    }
}

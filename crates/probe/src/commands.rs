//! Commands that tell too much or do too much (clause 4.3(6): VRFY, EXPN, ETRN and other abusable commands off).

use crate::{
    check::{Check, Doing, Family, Judged, SMTP, Work},
    context::{Context, Secure},
    reply::Reply,
    trouble::Trouble,
};

/// A command that should do nothing for a stranger.
#[derive(Clone, Copy)]
pub(crate) struct Command {
    /// What is sent, with `{own}` for the own domain.
    says: &'static str,
    /// The extension by which it would be offered.
    keyword: &'static str,
    /// What is wrong with it.
    harm: &'static str,
}

const fn command(
    id: &'static str,
    english: &'static str,
    japanese: &'static str,
    command: Command,
) -> Check {
    check(id, english, japanese, Work::Command(command))
}

const fn check(
    id: &'static str,
    english: &'static str,
    japanese: &'static str,
    work: Work,
) -> Check {
    Check::new(Family::Commands, "4.3(6)", [id, english, japanese], work).at(SMTP)
}

#[rustfmt::skip]
pub(crate) const CHECKS: &[Check] = &[
    check("commands.vrfy", "VRFY does not tell who has a mailbox", "VRFY が利用者の有無を教えない", Work::Own(vrfy)),
    command("commands.expn", "EXPN does not tell who is on a list", "EXPN が名簿を教えない", Command { says: "EXPN postmaster", keyword: "EXPN", harm: "it tells who is behind an address" }),
    command("commands.etrn", "ETRN starts nothing (RFC 1985)", "ETRN が無効である", Command { says: "ETRN {own}", keyword: "ETRN", harm: "anybody can make it work off a queue" }),
    command("commands.turn", "TURN hands no mail out (RFC 5321, F.1)", "TURN が無効である", Command { says: "TURN", keyword: "TURN", harm: "it hands mail to whoever asks" }),
    command("commands.atrn", "ATRN hands no mail out without a login (RFC 2645)", "ATRN が認証なしでは無効である", Command { says: "ATRN {own}", keyword: "ATRN", harm: "it hands mail to whoever asks" }),
    command("commands.xclient", "XCLIENT is not for strangers", "XCLIENT が外部に許されない", Command { says: "XCLIENT ADDR=127.0.0.1 NAME=localhost", keyword: "XCLIENT", harm: "a client can claim any address" }),
    command("commands.xforward", "XFORWARD is not for strangers", "XFORWARD が外部に許されない", Command { says: "XFORWARD NAME=localhost ADDR=127.0.0.1", keyword: "XFORWARD", harm: "a client can forge what the log says" }),
    command("commands.debug", "DEBUG is not there", "DEBUG が無効である", Command { says: "DEBUG", keyword: "DEBUG", harm: "it opened servers to everybody once" }),
    command("commands.wiz", "WIZ is not there", "WIZ が無効である", Command { says: "WIZ", keyword: "WIZ", harm: "it opened servers to everybody once" }),
    command("commands.send", "SEND does not write to terminals (RFC 5321, F.6)", "SEND が無効である", Command { says: "SEND FROM:<>", keyword: "SEND", harm: "it writes to people's terminals" }),
    command("commands.soml", "SOML does not write to terminals (RFC 5321, F.6)", "SOML が無効である", Command { says: "SOML FROM:<>", keyword: "SOML", harm: "it writes to people's terminals" }),
    command("commands.burl", "BURL fetches nothing without a login (RFC 4468)", "BURL が認証なしでは無効である", Command { says: "BURL imap://{own}/INBOX LAST", keyword: "BURL", harm: "it makes the server fetch what a client names" }),
    command("commands.http", "A request of HTTP ends the session or is refused", "HTTP の要求を受け付けない", Command { says: "GET / HTTP/1.1", keyword: "GET", harm: "a browser can be made to send mail" }),
];

/// Tries a command that should do nothing.
pub(crate) async fn run(context: &Context<'_>, command: &Command) -> Result<Judged, Trouble> {
    let mut session = context.smtp(Secure::AsUsual).await?;
    let is_offered = session.offered(command.keyword).is_some();
    let says = command.says.replace("{own}", &context.server.own);
    let reply = match session.ask(&says).await {
        // To hang up is an answer too.
        Err(Trouble::Closed) => return Ok(Judged::pass("the server hangs up")),
        reply => reply?,
    };
    session.quit().await;
    Ok(judged(command, &reply, is_offered))
}

fn judged(command: &Command, reply: &Reply, is_offered: bool) -> Judged {
    let (told, harm, word) = (reply.text(), command.harm, command.keyword);
    // To say farewell and hang up.
    if reply.code == 221 {
        return Judged::pass(format!("the session ends: {told}"));
    }
    // 252 promises nothing (RFC 5321, section 3.5.3); for EXPN as for VRFY.
    if reply.is_positive() && reply.code != 252 {
        return Judged::fail(format!("{word} is carried out: {harm} ({told})"));
    }
    if is_offered {
        return Judged::warn(format!(
            "{word} is offered to everybody, though this request was answered {told}"
        ));
    }
    match reply.is_put_off() && reply.code != 421 {
        true => Judged::warn(format!("{word} is known, and refused for now only: {told}")),
        false => Judged::pass(format!("not carried out: {told}")),
    }
}

/// VRFY must answer alike for those who exist and those who do not (RFC 5321, section 7.3).
fn vrfy<'c>(context: &'c Context<'c>) -> Doing<'c> {
    Box::pin(async move {
        let known = match &context.plan.recipient {
            Some(recipient) => recipient.clone(),
            None => format!("postmaster@{}", context.server.own),
        };
        let nobody = context.nobody_here();
        let mut session = context.smtp(Secure::AsUsual).await?;
        let of_known = session.ask(&format!("VRFY {known}")).await?;
        let of_nobody = session.ask(&format!("VRFY {nobody}")).await?;
        session.quit().await;
        Ok(compare(&of_known, &of_nobody))
    })
}

fn compare(of_known: &Reply, of_nobody: &Reply) -> Judged {
    let (known, nobody) = (of_known.text(), of_nobody.text());
    if of_known.code != of_nobody.code && of_nobody.code != 421 {
        return Judged::fail(format!(
            "VRFY tells who has a mailbox: {known}; of somebody who does not exist {nobody}"
        ));
    }
    match of_known.code {
        250 | 251 => Judged::fail(format!("VRFY is carried out: {known}")),
        252 => Judged::pass(format!("VRFY tells nothing: {known}")),
        _ => Judged::pass(format!("VRFY is not carried out: {known}")),
    }
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
    fn vrfy_may_answer_but_not_tell() {
        let verdict = |known, nobody| compare(&reply(known), &reply(nobody)).verdict;
        assert_eq!(verdict(252, 252), Verdict::Pass);
        assert_eq!(verdict(502, 502), Verdict::Pass);
        assert_eq!(verdict(252, 550), Verdict::Fail);
        assert_eq!(verdict(250, 250), Verdict::Fail);
    }

    #[test]
    fn what_is_carried_out_is_a_fault() {
        let command = Command {
            says: "",
            keyword: "ETRN",
            harm: "",
        };
        let verdict = |code, offered| judged(&command, &reply(code), offered).verdict;
        assert_eq!(verdict(250, false), Verdict::Fail);
        assert_eq!(verdict(459, true), Verdict::Warn);
        assert_eq!(verdict(458, false), Verdict::Warn);
        assert_eq!(verdict(502, false), Verdict::Pass);
        assert_eq!(verdict(252, false), Verdict::Pass);
        assert_eq!(verdict(221, false), Verdict::Pass);
    }
}

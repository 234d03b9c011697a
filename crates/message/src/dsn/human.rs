//! The part of a notification that people read, in English and Japanese.

use super::{Action, Recipient, Report, build::is_reply};

/// The subject line.
pub(super) fn subject(report: &Report<'_>) -> &'static str {
    match worst(report) {
        Action::Failed => "Undelivered mail / 配信できなかったメール",
        Action::Delayed => "Delayed mail (still trying) / 配信が遅れています(再送中)",
        Action::Delivered | Action::Relayed | Action::Expanded => "Delivered mail / 配信のお知らせ",
    }
}

fn worst(report: &Report<'_>) -> Action {
    report
        .recipients
        .iter()
        .map(|r| r.action)
        .min()
        .unwrap_or(Action::Failed)
}

/// The whole text, with LF line ends.
pub(super) fn text(report: &Report<'_>) -> String {
    let mut text = format!(
        "This is the mail system at {0}.\n{0} のメールシステムからのお知らせです。\n",
        report.reporting_mta
    );
    for action in [
        Action::Failed,
        Action::Delayed,
        Action::Delivered,
        Action::Relayed,
        Action::Expanded,
    ] {
        let recipients: Vec<&Recipient<'_>> = report
            .recipients
            .iter()
            .filter(|r| r.action == action)
            .collect();
        if recipients.is_empty() {
            continue;
        }
        text.push('\n');
        text.push_str(introduction(action));
        for recipient in recipients {
            text.push_str(&paragraph(recipient));
        }
    }
    text
}

fn introduction(action: Action) -> &'static str {
    match action {
        Action::Failed => {
            "Your message could not be delivered to these recipients. It will not be tried again.\n\
             次の宛先にメールを配信できませんでした。再送は行いません。\n"
        }
        Action::Delayed => {
            "Your message has not yet been delivered to these recipients. You need not send it again:\n\
             the server keeps trying.\n\
             次の宛先への配信が遅れています。サーバーが再送を続けますので、送り直す必要はありません。\n"
        }
        Action::Delivered => {
            "Your message has been delivered to these recipients.\n次の宛先にメールを配信しました。\n"
        }
        Action::Relayed => {
            "Your message has been handed to a server that does not report further for these recipients.\n\
             次の宛先へのメールは、以後の配信通知を行わないサーバーに渡しました。\n"
        }
        Action::Expanded => {
            "Your message has been sent on to the members behind these addresses.\n\
             次の宛先に登録された各アドレスへメールを転送しました。\n"
        }
    }
}

fn paragraph(recipient: &Recipient<'_>) -> String {
    let mut text = format!("\n  <{}>\n", recipient.address.to_unicode());
    if let Some(original) = &recipient.original
        && original.address != recipient.address.to_string()
    {
        text.push_str(&format!(
            "    originally to / 元の宛先: {}\n",
            one_line(&original.address)
        ));
    }
    if let Some(diagnostic) = recipient.diagnostic {
        let said = match recipient.remote_mta {
            _ if !is_reply(diagnostic) => "reason / 理由".to_owned(),
            Some(mta) => format!("{} said / 応答", one_line(mta)),
            None => "said / 応答".to_owned(),
        };
        text.push_str(&format!("    {said}: {}\n", one_line(diagnostic)));
    }
    text.push_str(&format!("    status / 状態: {}\n", recipient.status));
    if let Some(until) = recipient.will_retry_until {
        text.push_str(&format!(
            "    will be tried until / 再送の期限: {}\n",
            until.strftime("%Y-%m-%d %H:%M UTC")
        ));
    }
    text
}

/// A peer's words as one line of bounded length.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(1000)
        .collect()
}

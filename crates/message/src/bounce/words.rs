//! Bounces in the words of the program that wrote them.

use super::{Cause, Failure, on_one_line};
use crate::{Address, StatusCode};

/// Lines of a bounce that are looked at.
const MOST_LINES: usize = 400;
/// Lines behind an address that may say what happened to it.
const NEAR: usize = 8;

/// Local parts that programs write as.
const WRITERS: &[&str] = &[
    "mailer-daemon",
    "postmaster",
    "mail-daemon",
    "mdaemon",
    "majordomo-owner",
];

/// Beginnings of subjects that such programs give, in lower case.
const SUBJECTS: &[&str] = &[
    "undeliver",
    "undelivered",
    "returned mail",
    "mail delivery failed",
    "mail delivery failure",
    "mail delivery subsystem",
    "mail delivery system",
    "mail system error",
    "delivery failure",
    "delivery failed",
    "delivery has failed",
    "delivery status notification",
    "delivery notification",
    "delivery report",
    "failure notice",
    "failed mail",
    "message delivery has been delayed",
    "warning: could not send message",
    "warning: message",
    "non remis",
    "配信不能",
    "配信不可",
    "配信エラー",
    "配信できません",
    "配信できなかった",
    "送信エラー",
    "送信できません",
    "送信できなかった",
    "不達",
    "未達",
    "未配信",
    "エラーメール",
    "メールを配信できません",
    "メール送信失敗",
];

/// What stands before the message that came back, in lower case.
const RETURNED: &[&str] = &[
    "--- below this line is a copy of the message",
    "------ this is a copy of the message",
    "------ this is a copy of your message",
    "----- original message follows",
    "----- original message -----",
    "----- message header follows",
    "----- unsent message follows",
    "-----元のメッセージ-----",
    "----- 元のメッセージ",
    "original message headers:",
    "元のメッセージ ヘッダー",
    "元のメール",
];

/// Whether a program that reports failures wrote it: its address or its subject says so.
pub(super) fn is_bounce(from: &str, subject: &str) -> bool {
    let from = from.to_lowercase();
    let subject = subject.trim().to_lowercase();
    let by_subject = SUBJECTS.iter().any(|begin| subject.starts_with(begin));
    let by_writer = WRITERS.iter().any(|writer| {
        let mut found = from.split(['<', ' ', '"', '(', ',']);
        found.any(|word| word.split('@').next() == Some(writer))
    });
    by_subject || (by_writer && !is_other_report(&subject))
}

/// Postmasters write other things too.
fn is_other_report(subject: &str) -> bool {
    [
        "report domain:",
        "auto-reply",
        "automatic reply",
        "自動応答",
        "[kakitome]",
    ]
    .iter()
    .any(|begin| subject.starts_with(begin))
}

/// What is said, and the message that came back.
pub(super) fn split_returned(text: &str) -> (&str, &str) {
    let mut at = 0_usize;
    for line in text.split_inclusive('\n').take(MOST_LINES) {
        let begins = line.trim().to_lowercase();
        if RETURNED.iter().any(|mark| begins.starts_with(mark)) {
            return text.split_at_checked(at).unwrap_or((text, ""));
        }
        at = at.saturating_add(line.len());
    }
    (text, text)
}

/// The Message-ID in a message that came back, without brackets.
pub(super) fn message_id(returned: &str) -> Option<String> {
    returned.lines().take(MOST_LINES).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("message-id")
            .then_some(())?;
        crate::header::parse_id(value)
    })
}

/// Each address that something is said about, with what.
pub(super) fn failures(said: &str, most: usize) -> Vec<Failure> {
    let lines: Vec<&str> = said.lines().take(MOST_LINES).collect();
    let anywhere = Cause::of_words(said);
    let mut found: Vec<Failure> = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        if found.len() >= most {
            break;
        }
        let Some(address) = address_in(line) else {
            continue;
        };
        if found
            .iter()
            .any(|failure| failure.address.as_ref() == Some(&address))
        {
            continue;
        }
        let near = lines.iter().skip(place).take(NEAR);
        // Up to the next address: what follows is about that one.
        let near: Vec<&str> = near
            .enumerate()
            .take_while(|(n, near)| {
                *n == 0 || address_in(near).is_none_or(|other| other == address)
            })
            .map(|(_, near)| *near)
            .collect();
        if let Some(failure) = failure(address, &near.join(" "), anywhere) {
            found.push(failure);
        }
    }
    found
}

/// What is said of an address near to it, or else anywhere; `None` when nothing is.
fn failure(address: Address, near: &str, anywhere: Option<Cause>) -> Option<Failure> {
    let (code, status) = codes(near);
    let by_words = Cause::of_words(near).or(anywhere);
    if code.is_none() && status.is_none() && by_words.is_none() {
        return None;
    }
    let cause = match Cause::of(status, near) {
        Cause::Other => by_words.unwrap_or(Cause::Other),
        known => known,
    };
    let class = status.map(StatusCode::is_permanent);
    let permanent = class
        .or_else(|| code.map(|code| code >= 500))
        .unwrap_or(true);
    Some(Failure {
        address: Some(address),
        permanent,
        status,
        cause,
        said: on_one_line(near),
    })
}

/// The first reply code and enhanced status code in a text.
fn codes(text: &str) -> (Option<u16>, Option<StatusCode>) {
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (mut code, mut status) = (None, None);
    for word in words.map(|word| word.trim_matches('.')) {
        if status.is_none() && word.matches('.').count() == 2 {
            status = StatusCode::parse(word);
        }
        if code.is_none() && word.len() == 3 {
            code = word.parse().ok().filter(|code| (400..600).contains(code));
        }
    }
    (code, status)
}

/// The first address in a line.
fn address_in(line: &str) -> Option<Address> {
    let is_edge = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '<' | '>' | '(' | ')' | '[' | ']' | '"' | ',' | ';' | '「' | '」' | '（' | '）'
            )
    };
    line.split(is_edge).find_map(|word| {
        let word = word.trim_end_matches([':', '.', '。', '、']);
        let word = word
            .strip_prefix("mailto:")
            .or_else(|| word.strip_prefix("To:"))
            .unwrap_or(word);
        let (_, domain) = word.rsplit_once('@')?;
        domain.contains('.').then_some(())?;
        Address::parse(word).ok()
    })
}

//! The notice to staff about a rule against an outbreak (clause 5.2(2)): composed with the rule or after it, approved by another person,
//! and only then sent. The rule holds meanwhile. What waits is in the trail alone, in the event that tells who composed it.

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use directory::{Person, Role};
use jiff::Timestamp;
use message::Address;
use screening::outbreak::{Marks, RuleHandling};
use serde::Serialize;
use store::{
    BodyId, Error, Recorded, Snapshot, Tx,
    event::{self, Filter},
};
use trail::{Actor, Kind};

use super::{MOST_WORDS, OutbreakError, RuleView, permit, table, text};
use crate::{
    Transfer,
    notice::{self, Notice},
};

/// Octets of the SHA-256 of a notice's words that whoever approves it repeats: two texts with the same are not found by trying.
const DIGEST: usize = 16;
/// Events of one rule that are read at a time.
const PAGE: usize = 100;

/// A notice that waits to be approved.
#[derive(Clone, Debug, Serialize)]
pub struct Composed {
    /// Who composed it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Its words beside what it says by itself; may be empty.
    pub words: String,
    /// What [`approve`] expects of whoever has read them: 32 hexadecimal digits, of the words alone.
    pub digest: String,
    /// All of it, as it would be sent.
    pub text: String,
}

/// A notice that waits, as somebody sees it who may compose and approve such.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// The number of the rule that it is about.
    pub rule: i64,
    /// The notice.
    pub composed: Composed,
    /// Whether whoever asks may approve it: not who composed it, unless the site has only one person for it.
    pub approvable: bool,
}

/// The notices that wait to be approved, of all rules that hold, by the rules' numbers.
///
/// # Errors
/// [`OutbreakError::NotPermitted`] unless the caller is an administrator or a security officer; the store's.
pub async fn waiting(transfer: &Transfer, caller: &Person) -> Result<Vec<Waiting>, OutbreakError> {
    permit(caller)?;
    let read = |snapshot: &mut Snapshot<'_>| {
        table::open(snapshot, &mut |error| {
            tracing::error!(%error, "a rule against an outbreak cannot be read, nor what waits about it");
        })
    };
    let open = transfer.store().read(read).await?;
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let single = transfer.directory().permits_single_person().await?;
    let mut found = Vec::new();
    for rule in &open {
        if let Some(composed) = composed(transfer, rule).await? {
            found.push(Waiting {
                rule: rule.number,
                approvable: single || composed.by != caller.name,
                composed,
            });
        }
    }
    Ok(found)
}

/// The words of a notice, if they are some; empty is what the notice says by itself.
pub(super) fn words(given: &str) -> Result<String, OutbreakError> {
    match given.trim().is_empty() {
        true => Ok(String::new()),
        false => text("the notice", given, MOST_WORDS),
    }
}

/// What tells the words of one notice from others: the beginning of their SHA-256 in hexadecimal.
#[must_use]
pub fn digest_of(words: &str) -> String {
    let whole = digest::digest(&digest::SHA256, words.trim().as_bytes());
    let (begin, _) = whole.as_ref().split_at(DIGEST);
    HEXLOWER.encode(begin)
}

/// What waits to be approved about a rule; `None`: nothing, or staff were told.
pub(super) async fn composed(
    transfer: &Transfer,
    rule: &RuleView,
) -> Result<Option<Composed>, Error> {
    if rule.notice.is_some() {
        return Ok(None);
    }
    let mut filter = Filter {
        from: Some(rule.begun_at),
        kinds: vec![Kind::OutbreakBegun, Kind::OutbreakNoticeComposed],
        subject: Some(rule.number.to_string()),
        ..Filter::default()
    };
    let mut last = None;
    loop {
        let wanted = filter.clone();
        let read = move |snapshot: &mut Snapshot<'_>| event::search(snapshot, &wanted, PAGE);
        let page = transfer.store().read(read).await?;
        let end = page.last().map(|recorded| recorded.id);
        let is_last = page.len() < PAGE;
        for recorded in page {
            if recorded.event.detail.contains_key("notice") {
                last = Some(recorded);
            }
        }
        match end {
            Some(end) if !is_last => filter.after = Some(end),
            _ => break,
        }
    }
    Ok(last.map(|recorded| {
        let event = recorded.event;
        let words = event.detail.get("notice");
        let words = words.and_then(|words| words.as_str()).unwrap_or_default();
        let by = match event.actor {
            Actor::Person(name) => name,
            other => other.to_text(),
        };
        Composed {
            by,
            at: recorded.at,
            digest: digest_of(words),
            words: words.to_owned(),
            text: letter(transfer, rule, words),
        }
    }))
}

/// Composes the notice about a rule anew, or for the first time. It is sent when another person approves it.
///
/// # Errors
/// [`OutbreakError`].
pub async fn compose(
    transfer: &Transfer,
    caller: &Person,
    number: i64,
    given: &str,
) -> Result<Composed, OutbreakError> {
    permit(caller)?;
    let words = words(given)?;
    let rule = untold(transfer, number).await?;
    let question = question(transfer, caller, Some(number), &rule.marks, &words).await?;
    let (by, kept) = (caller.by(), words.clone());
    let work = move |tx: &mut Tx<'_>, asked: &[Address]| -> Result<Recorded<()>, OutbreakError> {
        still_untold(tx, number)?;
        let event = by
            .event(Kind::OutbreakNoticeComposed)
            .subject(number.to_string())
            .detail("notice", kept.as_str())
            .detail("asked", asked.len());
        Ok(tx.record(&event, ())?)
    };
    notice::send(transfer, question, work).await?;
    Ok(Composed {
        by: caller.name.clone(),
        at: transfer.store().now(),
        digest: digest_of(&words),
        text: letter(transfer, &rule, &words),
        words,
    })
}

/// Sends the notice that waits to everybody with an account here: at the word of another person than the one who composed it, unless the site
/// has only one. `shown` is the digest of the words that the person was shown: others, composed meanwhile, are not sent at their word.
///
/// # Errors
/// [`OutbreakError`]: then nobody is told.
pub async fn approve(
    transfer: &Transfer,
    caller: &Person,
    number: i64,
    shown: &str,
) -> Result<RuleView, OutbreakError> {
    permit(caller)?;
    let rule = untold(transfer, number).await?;
    let composed = composed(transfer, &rule).await?;
    let composed = composed.ok_or(OutbreakError::NoNotice(number))?;
    let single = composed.by == caller.name;
    if single && !transfer.directory().permits_single_person().await? {
        return Err(OutbreakError::Composer);
    }
    if !composed.digest.eq_ignore_ascii_case(shown.trim()) {
        return Err(OutbreakError::OtherWords(number));
    }
    let message = Notice {
        to: transfer.directory().all_addresses().await?,
        subject: SUBJECT.to_owned(),
        text: composed.text.clone(),
    };
    let by = caller.by();
    let work = move |tx: &mut Tx<'_>,
                     told: &[Address],
                     notice: Option<BodyId>|
          -> Result<Recorded<RuleView>, OutbreakError> {
        still_untold(tx, number)?;
        let notice = notice.ok_or(OutbreakError::Nobody)?;
        let told = u64::try_from(told.len()).unwrap_or(u64::MAX);
        table::tell(tx, number, notice, told)?;
        let mut event = by
            .event(Kind::OutbreakNoticeApproved)
            .subject(number.to_string())
            .detail("notice", composed.words.as_str())
            .detail("composed_by", composed.by.as_str())
            .detail("told", told);
        if single {
            event = event.detail("single_person", true);
        }
        let rule = table::one(tx, number)?.ok_or(OutbreakError::NoSuch(number))?;
        Ok(tx.record(&event, rule)?)
    };
    let (rule, _) = notice::send_known(transfer, message, work).await?;
    tracing::warn!(
        rule = number,
        told = rule.told,
        "staff were told of an outbreak"
    );
    Ok(rule)
}

/// A rule that has not ended, and of which staff were not told.
async fn untold(transfer: &Transfer, number: i64) -> Result<RuleView, OutbreakError> {
    let read = move |snapshot: &mut Snapshot<'_>| table::one(snapshot, number);
    let rule = transfer.store().read(read).await?;
    is_untold(number, rule)
}

fn still_untold(tx: &mut Tx<'_>, number: i64) -> Result<(), OutbreakError> {
    let rule = table::one(tx, number)?;
    is_untold(number, rule).map(drop)
}

fn is_untold(number: i64, rule: Option<RuleView>) -> Result<RuleView, OutbreakError> {
    let rule = rule.filter(|rule| rule.ended_at.is_none());
    let rule = rule.ok_or(OutbreakError::NoSuch(number))?;
    match rule.notice {
        Some(_) => Err(OutbreakError::Told(number)),
        None => Ok(rule),
    }
}

/// What officers and administrators are asked by mail, but for who composed the notice. `number` is not known before the rule is made.
pub(super) async fn question(
    transfer: &Transfer,
    caller: &Person,
    number: Option<i64>,
    marks: &Marks,
    words: &str,
) -> Result<Notice, Error> {
    let directory = transfer.directory();
    let mut to = directory.addresses_of(Role::SecurityOfficer).await?;
    for other in directory.addresses_of(Role::Administrator).await? {
        if !to.contains(&other) {
            to.push(other);
        }
    }
    for own in directory.accounts_of(&caller.name).await? {
        let own = directory.main_address(own).await?;
        to.retain(|address| Some(address) != own.as_ref());
    }
    let (name, listed) = (&caller.name, listed(marks));
    let number = number.map_or_else(|| "N".to_owned(), |number| number.to_string());
    let shown = digest_of(words);
    let words = match words {
        "" => "-",
        words => words,
    };
    Ok(Notice {
        to,
        subject: QUESTION.to_owned(),
        text: format!(
            "{name} が不審なメールを遮断する規則を設けました(規程 5.2(2))。規則は既に適用されています。\n\
             全職員への周知文は、作成者以外の情報セキュリティ責任者又は情報システムセキュリティ管理者が承認すると送られます。\n\n\
             {name} has begun a rule against dangerous mail (clause 5.2(2)). It holds already.\n\
             The notice to staff is sent when another security officer or administrator than {name} approves it.\n\n\
             {listed}\n職員への言葉 / words for staff: {words}\n\n\
             kakitome outbreak list\n\
             kakitome outbreak show {number}\n\
             kakitome outbreak notice approve {number} --digest {shown}\n\
             kakitome outbreak notice compose {number} --words \"...\"\n"
        ),
    })
}

const QUESTION: &str = "[Kakitome] 承認待ちの周知文 / A notice to staff waits to be approved";
const SUBJECT: &str = "[Kakitome] 不審なメールへの注意 / Warning: dangerous mail is going around";

/// What staff are told.
fn letter(transfer: &Transfer, rule: &RuleView, words: &str) -> String {
    let until = transfer.local(rule.ends_at, "%Y-%m-%d %H:%M");
    written(&rule.marks, rule.handling, words, &until)
}

/// The same; `until` is when the rule ends, as people read it.
fn written(marks: &Marks, handling: RuleHandling, words: &str, until: &str) -> String {
    let listed = listed(marks);
    let (ja, en) = match handling {
        RuleHandling::Refuse => ("受信・送信を拒否しています", "refused"),
        RuleHandling::Quarantine | RuleHandling::Defer => {
            ("隔離しています(送信は拒否)", "set apart")
        }
    };
    let words = match words {
        "" => String::new(),
        words => format!("{words}\n\n"),
    };
    format!(
        "不審なメールが出回っています(規程 5.2(2))。次のメールを受け取っていたら、添付ファイルやリンクを開かず、管理者に知らせてください。\n\
         開いてしまった場合は、端末をネットワークから切り離し、直ちに管理者に知らせてください。\n\n\
         Dangerous mail is going around (clause 5.2(2)). If you have received mail like this, do not open its attachments or links, and tell \
         the administrators.\nIf you have opened it: take your terminal off the network, and tell the administrators at once.\n\n\
         {listed}\n{words}\
         新しく届くものは {until} まで{ja}。\nWhat comes from now on is {en}, until {until}.\n"
    )
}

/// What a rule means, for people.
fn listed(marks: &Marks) -> String {
    let mut listed = String::new();
    for (ja, en, mark) in [
        ("差出人", "from", &marks.sender),
        ("件名", "subject", &marks.subject),
        ("添付ファイル名", "attachment", &marks.name),
        ("添付ファイルの種類", "type", &marks.media_type),
        ("添付ファイルの SHA-256", "SHA-256", &marks.sha256),
    ] {
        if let Some(mark) = mark {
            listed.push_str(&format!("  {ja} / {en}: {mark}\n"));
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_have_another_digest() {
        let digest = digest_of("内線 1234");
        assert_eq!(digest.len(), 2 * DIGEST);
        assert_eq!(digest, digest_of("内線 1234\n"), "as it is kept");
        assert_ne!(digest, digest_of("内線 1235"));
        // Of the empty text, as `sha256sum` tells it.
        assert_eq!(digest_of(""), "e3b0c44298fc1c149afbf4c8996fb924");
    }

    #[test]
    fn staff_are_told_in_both_languages() {
        let marks = Marks {
            name: Some("*.iso".to_owned()),
            ..Marks::default()
        };
        let until = "2026-12-01 09:00";
        let text = written(&marks, RuleHandling::Quarantine, "内線 1234", until);
        for words in [
            "規程 5.2(2)",
            "clause 5.2(2)",
            "*.iso",
            "内線 1234",
            "set apart",
            until,
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}

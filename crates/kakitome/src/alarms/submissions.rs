//! What officers and owners are told when the submissions of an identifier are held (clauses 4.4, 5.5).

use directory::{
    command::incident::{self, IncidentView, Step},
    submission::figures,
};
use jiff::tz::TimeZone;
use message::Address;
use trail::analysis::Language;
use transfer::notice::{self, Notice};

use crate::site::Site;

pub(super) fn subject(found: &IncidentView) -> String {
    format!(
        "[Kakitome] インシデント {}: {} の送信の急増 / incident {}: surge of submissions",
        found.number, found.identifier, found.number
    )
}

/// Tells the identifier's owner, once: it may be a stranger who sends.
pub(super) async fn tell_owner(site: &Site, found: &IncidentView) -> Result<(), store::Error> {
    let step = Step::OwnerTold.as_str();
    if found.steps.iter().any(|taken| taken.step == step) {
        return Ok(());
    }
    let zone = site.settings().zone();
    let message = Notice {
        to: Address::parse(&found.identifier).into_iter().collect(),
        subject: "[Kakitome] 送信の保留について / Your mail is held".to_owned(),
        text: format!(
            "{}\n----\n\n{}",
            to_owner(found, Language::Ja, &zone),
            to_owner(found, Language::En, &zone)
        ),
    };
    let number = found.number;
    let told = notice::send(&site.transfer, message, move |tx, told| {
        incident::note_owner_told(tx, number, told)
    });
    let ((), told) = told.await?;
    if told.is_empty() {
        tracing::warn!(
            incident = number,
            identifier = found.identifier,
            "the owner of an identifier whose submissions are held has no mailbox to be told in"
        );
    }
    Ok(())
}

fn to_owner(found: &IncidentView, language: Language, zone: &TimeZone) -> String {
    if found.opened_by.is_some() {
        return held_by_an_officer(found, language);
    }
    let since = found.since.to_zoned(zone.clone());
    let since = since.strftime("%Y-%m-%d %H:%M %Z");
    let [
        (_, messages),
        (_, recipients),
        (_, usual),
        (_, usual_recipients),
    ] = figures(&found.facts);
    let (identifier, number) = (&found.identifier, found.number);
    match language {
        Language::Ja => format!(
            "{identifier} から、{since} からの1時間に {messages} 通(宛先 {recipients} 件)が送信されました。普段は1時間に \
             {usual} 通(宛先 {usual_recipients} 件)以下です。\n\n\
             外部に宛てたメールは、情報セキュリティ担当者が確認するまで送信を保留しています。送り直す必要はありません。\n\
             心当たりがない場合は、パスワードを他人に使われているおそれがあります。すぐに担当者へ連絡してください(インシデント {number})。\n"
        ),
        Language::En => format!(
            "In the hour since {since}, {messages} messages to {recipients} recipients were sent as {identifier}; usually, it is at most \
             {usual} to {usual_recipients} in an hour.\n\n\
             Mail to the outside is held until a security officer has looked at it. There is no need to send it again.\n\
             If it was not you, somebody else may be using your password: tell the officers at once (incident {number}).\n"
        ),
    }
}

/// Nothing was counted: a person has it held.
fn held_by_an_officer(found: &IncidentView, language: Language) -> String {
    let (identifier, number) = (&found.identifier, found.number);
    match language {
        Language::Ja => format!(
            "{identifier} から外部に宛てたメールは、担当者が確認するまで送信を保留しています。送り直す必要はありません。\n\
             心当たりがない場合は、パスワードを他人に使われているおそれがあります。すぐに担当者へ連絡してください(インシデント {number})。\n"
        ),
        Language::En => format!(
            "Mail from {identifier} to the outside is held until an officer has looked at it. There is no need to send it again.\n\
             If you know nothing of it, somebody else may be using your password: tell the officers at once (incident {number}).\n"
        ),
    }
}

pub(super) fn head(found: &IncidentView, language: Language, zone: &TimeZone) -> String {
    let since = found.since.to_zoned(zone.clone());
    let since = since.strftime("%Y-%m-%d %H:%M %Z");
    let [
        (_, messages),
        (_, recipients),
        (_, usual),
        (_, usual_recipients),
    ] = figures(&found.facts);
    let (identifier, number) = (&found.identifier, found.number);
    let held = found
        .steps
        .iter()
        .find(|taken| taken.step == Step::QueueHeld.as_str())
        .map_or("-", |taken| taken.note.as_str());
    let mut text = match language {
        Language::Ja => format!(
            "送信の急増と保留について(規程 4.4、5.5)\n\n\
             インシデント番号: {number}\n識別コード: {identifier}\n対象の時間: {since} からの1時間\n\
             送信: {messages} 通、宛先 {recipients} 件\n普段(過去30日間の90パーセンタイル): {usual} 通、宛先 {usual_recipients} 件\n\
             保留: {held}。これ以降に送信されるメールも、外部宛ては保留されます。\n\n\
             正当な送信なら: kakitome incident step {number} mail-released(保留を解除し、しばらくの間は普段と比べません)\n\
             不正な送信なら: kakitome incident step {number} rejected --note \"理由\"(識別コードの利用を停止します)。保留中のメールは\
             kakitome queue discard または bounce --identifier {identifier} --state held で処理し、\
             kakitome incident step {number} queue-settled を行います\n\
             最後に: kakitome incident step {number} acknowledged、kakitome incident close {number}\n\
             保留中のメール: kakitome queue list --identifier {identifier} --state held\n\n# 例\n"
        ),
        Language::En => format!(
            "On a surge of submissions that is held (clauses 4.4, 5.5)\n\n\
             Incident: {number}\nIdentifier: {identifier}\nThe hour: since {since}\n\
             Submitted: {messages} messages to {recipients} recipients\nUsual (90th percentile of 30 days): {usual} messages to {usual_recipients} recipients\n\
             Held: {held}; what it submits from now on to the outside is held too.\n\n\
             If it is in order: kakitome incident step {number} mail-released (it goes out, and is not compared with the usual for a while)\n\
             If it is not: kakitome incident step {number} rejected --note \"why\" (the identifier is suspended); then kakitome queue discard, or \
             bounce, with --identifier {identifier} --state held, and kakitome incident step {number} queue-settled\n\
             At last: kakitome incident step {number} acknowledged, and kakitome incident close {number}\n\
             What is held: kakitome queue list --identifier {identifier} --state held\n\n# Samples\n"
        ),
    };
    let samples = found.facts.get("samples").and_then(|all| all.as_array());
    for sample in samples.into_iter().flatten() {
        let field = |name: &str| {
            let value = sample.get(name).and_then(|value| value.as_str());
            value.unwrap_or_default().to_owned()
        };
        let to = sample.get("recipients").and_then(|all| all.as_array());
        let to: Vec<&str> = to
            .into_iter()
            .flatten()
            .filter_map(|one| one.as_str())
            .collect();
        let (at, id) = (field("at"), field("id"));
        text.push_str(&format!("{at}  {id} -> {}\n", to.join(", ")));
    }
    text
}

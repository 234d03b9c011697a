//! What the system officer is told when traffic differs much from what is usual and service suffers (clause 4.4(2)).

use directory::command::incident::IncidentView;
use jiff::tz::TimeZone;
use serde_json::Value;
use traffic::{Deviation, Harm};
use trail::analysis::Language;

pub(super) fn subject(found: &IncidentView) -> String {
    format!(
        "[Kakitome] インシデント {}: 通信量の異常とサービスの支障 / incident {}: unusual traffic, service suffers",
        found.number, found.number
    )
}

pub(super) fn head(found: &IncidentView, language: Language, zone: &TimeZone) -> String {
    let since = found.since.to_zoned(zone.clone());
    let since = since.strftime("%Y-%m-%d %H:%M %Z");
    let (number, reason) = (found.number, &found.reason);
    let mut text = match language {
        Language::Ja => format!(
            "通信量の異常について(規程 4.4(2))\n\n\
             インシデント番号: {number}\n内容: {reason}\n開始: {since}\n\n\
             メールの量が普段と大きく異なり、サービスに支障が出ています。このインシデントが閉じられるまで、新たな通知はありません。\n\
             使える対策: kakitome block add(送信元の遮断)、kakitome queue hold(送信待ちの保留)、kakitome account suspend(識別コードの停止)、\
             kakitome.toml の [limits](受信の上限。SIGHUP で読み直します)\n\
             手順: 1. kakitome incident step {number} acknowledged(確認) 2. kakitome incident step {number} measure-taken --note \"…\"(対策) \
             3. 収まったら kakitome incident close {number}\n\
             詳細: kakitome traffic deviations、kakitome traffic list、kakitome queue list\n"
        ),
        Language::En => format!(
            "On unusual traffic (clause 4.4(2))\n\n\
             Incident: {number}\nWhat: {reason}\nSince: {since}\n\n\
             There is far more mail than is usual, and service suffers. There is no further notice until this incident is closed.\n\
             What can be done: kakitome block add (shuts out where it comes from), kakitome queue hold (holds what waits), kakitome account \
             suspend (stops an identifier), [limits] in kakitome.toml (what is taken; SIGHUP reads it anew)\n\
             Steps: 1. kakitome incident step {number} acknowledged 2. kakitome incident step {number} measure-taken --note \"…\" \
             3. when it is over, kakitome incident close {number}\n\
             More: kakitome traffic deviations; kakitome traffic list; kakitome queue list\n"
        ),
    };
    let title = |ja: &str, en: &str| match language {
        Language::Ja => format!("\n# {ja}\n"),
        Language::En => format!("\n# {en}\n"),
    };
    let list = |name: &str| found.facts.get(name).cloned().unwrap_or_default();
    text.push_str(&title(
        "普段との違い(60分間、実際 / 普段)",
        "What differs (in sixty minutes: seen / usual)",
    ));
    let deviations: Vec<Deviation> = serde_json::from_value(list("deviations")).unwrap_or_default();
    for one in deviations {
        text.push_str(&format!(
            "{}: {} / {}\n",
            one.series.as_str(),
            one.seen,
            one.expected
        ));
    }
    text.push_str(&title(
        "サービスの支障(現在 / 基準)",
        "By what service suffers (now / bound)",
    ));
    let harms: Vec<Harm> = serde_json::from_value(list("harms")).unwrap_or_default();
    for one in harms {
        text.push_str(&format!("{}: {} / {}\n", one.what, one.value, one.bound));
    }
    for (name, ja, en) in [
        (
            "sources",
            "主な送信元(今の1時間)",
            "Where most comes from (in this hour)",
        ),
        (
            "destinations",
            "主な宛先(今の1時間)",
            "Where most goes to (in this hour)",
        ),
    ] {
        let list = list(name);
        let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
        if all.is_empty() {
            continue;
        }
        text.push_str(&title(ja, en));
        for one in all {
            let name = one.get("name").and_then(Value::as_str).unwrap_or_default();
            let count = one.get("count").and_then(Value::as_u64).unwrap_or_default();
            text.push_str(&format!("{name}: {count}\n"));
        }
    }
    text
}

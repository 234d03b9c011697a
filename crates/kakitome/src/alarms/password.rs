//! An incident about a password: it is analysed by the command that opens it, or by the server where that was cut short (clause 4.1(1)d).

use directory::command::incident::{self, IncidentView};
use jiff::tz::TimeZone;
use message::address::Address;
use trail::analysis::{Language, Usage};
use transfer::notice::{self, Notice};

use crate::{site::Site, usage};

/// Analyses the trail and sends the security officers what came of it, with the record of both in one commit. Returns who was told.
///
/// # Errors
/// The store's.
pub(crate) async fn analyse(
    site: &Site,
    found: &IncidentView,
) -> Result<Vec<Address>, store::Error> {
    let usage = usage::gather(site, found).await?;
    let text = report(found, &usage, Language::Ja, &site.settings().zone());
    let digest = trail::volume::hex(&trail::merkle::sha256(&[text.as_bytes()]));
    let officers = site.directory.addresses_of(found.officer).await?;
    let message = Notice {
        to: officers,
        subject: format!(
            "[Kakitome] インシデント {}: {} のパスワードの不正使用の疑い",
            found.number, found.identifier
        ),
        text,
    };
    let number = found.number;
    let (view, text) = (found.clone(), message.text.clone());
    let told = notice::send(&site.transfer, message, move |tx, told| {
        governance::incident::report_opening(tx, &view, &text, told)?;
        incident::note_report(tx, number, told, &digest)
    });
    let ((), told) = told.await?;
    Ok(told)
}

/// The report to the security officer (clause 4.1(1)d).
pub(super) fn report(
    found: &IncidentView,
    usage: &Usage,
    language: Language,
    zone: &TimeZone,
) -> String {
    let time = |at: jiff::Timestamp| {
        at.to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M %Z")
            .to_string()
    };
    let head = match language {
        Language::Ja => format!(
            "パスワードの不正使用の疑いについて(規程 4.1(1))\n\n\
             インシデント番号: {}\n識別コード: {}\n届出の内容: {}\n届出・利用停止: {} ({})\n\
             本人による確かな利用の最後: {}\n\n\
             識別コードの利用を停止しました。新しいパスワードを本人に手渡すまで再開できません。\n\
             内容を確認したら次の命令で承認してください: kakitome incident step {} acknowledged\n\n",
            found.number,
            found.identifier,
            found.reason,
            time(found.opened_at),
            found.opened_by.as_deref().unwrap_or("-"),
            time(found.since),
            found.number
        ),
        Language::En => format!(
            "On a password that another may have used (clause 4.1(1))\n\n\
             Incident: {}\nIdentifier: {}\nReported: {}\nOpened and suspended: {} ({})\nThe owner's last sure use: {}\n\n\
             The identifier is suspended, and is not resumed before a new password was handed over to its owner.\n\
             When you have read this: kakitome incident step {} acknowledged\n\n",
            found.number,
            found.identifier,
            found.reason,
            time(found.opened_at),
            found.opened_by.as_deref().unwrap_or("-"),
            time(found.since),
            found.number
        ),
    };
    head + &usage.text(language, zone)
}

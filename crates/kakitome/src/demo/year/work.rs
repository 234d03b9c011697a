//! The work that comes round: tasks done and approved, reports acknowledged, volumes put on a medium, copies made. All but one review.

use std::path::PathBuf;

use directory::Role;
use jiff::{ToSpan as _, civil::Date};
use miette::{Result, miette};
use serde_json::Value;

use super::office::Office;
use crate::control::Record;

/// The work of which one is forgotten: the review of the trail, each quarter (clause 8.2(2)).
pub(super) const FORGOTTEN: &str = "trail-review";
/// Days from the opening of a review until it is late, as its workflow says.
const REVIEW_DAYS: i64 = 31;

/// What is answered, by workflow and point.
const ANSWERS: &[(&str, &str, &str)] = &[
    (
        "configuration-review",
        "vulnerabilities",
        "対応を終えた案件のみで、未了はない(vuln list で確認)",
    ),
    (
        "configuration-review",
        "relaying",
        "probe --own の結果、中継はすべて拒否された",
    ),
    (
        "configuration-review",
        "commands",
        "VRFY・EXPN・ETRN は使えないことを確認した",
    ),
    (
        "configuration-review",
        "authentication",
        "TLS 前のログインは不可、パスワードは Argon2id のみ",
    ),
    (
        "configuration-review",
        "corrections",
        "是正を要する点はない。次回も同じ観点で点検する",
    ),
    (
        "trail-review",
        "relaying",
        "中継の拒否は平常の範囲で、特定の送信元への偏りはない",
    ),
    (
        "trail-review",
        "cracking",
        "主体認証の失敗は打ち間違いの範囲である(audit analyse で確認)",
    ),
    (
        "trail-review",
        "measures",
        "追加の対策は不要。漏えいの届出があった識別コードは処置済み",
    ),
    (
        "malware-review",
        "judgement",
        "検査と緊急の規則で防げており、対策は十分である",
    ),
    (
        "malware-review",
        "changes",
        "改める点はない。定義ファイルの更新も滞りがない",
    ),
    (
        "screening-review",
        "false-positives",
        "必要なメールの隔離は報告されていない",
    ),
    (
        "screening-review",
        "trial",
        "基準を改めないため、試行を要しない",
    ),
    (
        "screening-review",
        "changes",
        "基準は改めない。隔離の件数が少なく、誤りもないため",
    ),
    (
        "shared-identifier-review",
        "decision",
        "窓口の共有識別コードは交替勤務に必要であり、継続する。管理者に周知する",
    ),
    (
        "malware-notices",
        "sources",
        "IPA・JPCERT/CC の注意喚起と、取り込んだ情報源を確かめた",
    ),
    (
        "malware-notices",
        "action",
        "該当する製品はなく、職員への注意喚起は必要に応じて行った",
    ),
    (
        "mailbox-cleanup",
        "capacity",
        "上限に近いメールボックスはない",
    ),
    (
        "mailbox-cleanup",
        "action",
        "大きいものはないため、整理は要しない",
    ),
    (
        "expert-contract",
        "judgement",
        "地域 CSIRT(架空)の当番に常時つながる。足りている",
    ),
    ("expert-contract", "changes", "改める点はない"),
    (
        "expert-drill",
        "result",
        "当番に電話し、30分以内に応答があった",
    ),
];

/// What was done so far, for the summary.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    pub(super) tasks: usize,
    pub(super) reports: usize,
    pub(super) volumes: usize,
    pub(super) copies: usize,
}

/// The regular work and where its products lie.
pub(super) struct Work {
    /// The period whose review is forgotten.
    pub(super) forgotten: String,
    /// Where media are put.
    pub(super) medium: PathBuf,
    /// Where copies of the site are put.
    pub(super) copies: PathBuf,
    pub(super) done: Done,
}

impl Work {
    /// Does all tasks that are open, but the forgotten one.
    pub(super) async fn do_tasks(&mut self, office: &Office) -> Result<()> {
        let open = office
            .as_role(Role::Administrator, &["task", "list"])
            .await?;
        let rules = office.site.rules();
        for task in open.iter().filter(|task| text(task, "state") == "open") {
            let (number, workflow) = (number(task)?, text(task, "workflow"));
            if workflow == FORGOTTEN && text(task, "period") == self.forgotten {
                continue;
            }
            let mut workflows = rules.workflows.iter();
            let of = workflows.find(|one| one.name == workflow);
            // The server closes it when it was done.
            if of.is_some_and(|one| one.on_record) {
                continue;
            }
            let points = of
                .map(|one| one.points.iter().map(|point| point.key.as_str()))
                .into_iter()
                .flatten();
            let mut words = vec!["task".to_owned(), "done".to_owned(), number];
            for key in points {
                let known = ANSWERS
                    .iter()
                    .find(|(of, asked, _)| *of == workflow && *asked == key);
                let answer = known.map_or("確認した。問題はない", |(.., answer)| *answer);
                words.extend(["--answer".to_owned(), format!("{key}={answer}")]);
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            office.as_role(role(task, "role")?, &words).await?;
            self.done.tasks = self.done.tasks.saturating_add(1);
        }
        Ok(())
    }

    /// Approves what others did, and acknowledges reports.
    pub(super) async fn approve(&mut self, office: &Office) -> Result<()> {
        let open = office
            .as_role(Role::Administrator, &["task", "list"])
            .await?;
        for task in open.iter().filter(|task| text(task, "state") == "done") {
            let number = number(task)?;
            let role = role(task, "role")?;
            let own = office.officer(role, false)?.name == text(task, "done_by");
            let words = ["task", "approve", number.as_str()];
            match own {
                true => office.as_second(role, &words).await?,
                false => office.as_role(role, &words).await?,
            };
        }
        let reports = office
            .as_role(Role::Administrator, &["report", "list"])
            .await?;
        let waiting = reports
            .iter()
            .filter(|report| report.get("acknowledged_at").is_none_or(Value::is_null));
        for report in waiting {
            let words = ["report", "acknowledge", &number(report)?];
            // What the first system officer approved the second acknowledges.
            match role(report, "to")? {
                Role::SystemOfficer => office.as_second(Role::SystemOfficer, &words).await?,
                role => office.as_role(role, &words).await?,
            };
            self.done.reports = self.done.reports.saturating_add(1);
        }
        Ok(())
    }

    /// Puts sealed volumes on a medium that is locked away (clauses 4.2(2), 8.2(1)b).
    pub(super) async fn export_volumes(&mut self, office: &Office) -> Result<()> {
        let words = ["audit", "volumes"];
        let volumes = office.as_role(Role::Administrator, &words).await?;
        let bare = volumes
            .iter()
            .filter(|volume| volume.get("custody_entries").and_then(Value::as_u64) == Some(0));
        for volume in bare {
            let number = volume
                .get("volume")
                .map(Value::to_string)
                .unwrap_or_default();
            let to = self.medium.join(format!("volume-{number}"));
            let to = to.display().to_string();
            let medium = format!("LTO-{number:0>3}");
            let holder = office
                .officer(Role::SystemOfficer, false)?
                .full_name
                .clone();
            let words = [
                "audit",
                "export",
                &number,
                "--to",
                &to,
                "--medium",
                &medium,
                "--place",
                "書庫2 耐火金庫",
                "--key-holder",
                &holder,
            ];
            office.as_role(Role::Administrator, &words).await?;
            self.done.volumes = self.done.volumes.saturating_add(1);
        }
        Ok(())
    }

    /// Makes a copy of the site; the one before is destroyed, and that is stated.
    pub(super) async fn copy(&mut self, office: &Office, before: Option<&str>) -> Result<String> {
        let to = self.copies.join(office.today().to_string());
        let to = to.display().to_string();
        office
            .as_role(Role::Administrator, &["backup", &to])
            .await?;
        self.done.copies = self.done.copies.saturating_add(1);
        if let Some(before) = before {
            std::fs::remove_dir_all(before).map_err(|error| miette!("{before}: {error}"))?;
            let reason = "新しい写しを作成し、古い媒体は裁断した (shredded)";
            let words = ["backups", "gone", before, "--reason", reason];
            office.as_role(Role::Administrator, &words).await?;
        }
        Ok(to)
    }
}

/// The period of the last review that is late by more than a week at the end of the year.
pub(super) fn forgotten_period(end: Date) -> String {
    let mut opened = end.first_of_month();
    loop {
        let quarter = matches!(opened.month(), 1 | 4 | 7 | 10);
        let late = opened.saturating_add((REVIEW_DAYS + 8).days());
        if quarter && late <= end {
            let about = opened.saturating_sub(3.months());
            return format!("{:04}-{:02}", about.year(), about.month());
        }
        let before = opened.saturating_sub(1.month());
        if before == opened {
            return String::new();
        }
        opened = before;
    }
}

pub(super) fn text<'a>(row: &'a Record, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(row: &Record) -> Result<String> {
    let number = row.get("number").and_then(Value::as_i64);
    number
        .map(|number| number.to_string())
        .ok_or_else(|| miette!("no number: {row:?}"))
}

fn role(row: &Record, name: &str) -> Result<Role> {
    let role = text(row, name);
    role.parse().map_err(|error| miette!("{error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use governance::workflow::Workflow;
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_forgotten_review_is_late_by_the_end() {
        assert_eq!(forgotten_period(date(2026, 11, 28)), "2026-07");
        assert_eq!(forgotten_period(date(2026, 11, 8)), "2026-04");
        assert_eq!(forgotten_period(date(2026, 11, 9)), "2026-07");
        assert_eq!(forgotten_period(date(2026, 1, 15)), "2025-07");
    }

    #[test]
    fn answers_are_to_points_that_are_asked() {
        let workflows = Workflow::built_in().unwrap();
        for (name, key, _) in ANSWERS {
            let of = workflows.iter().find(|one| one.name == *name).unwrap();
            let asked = of.points.iter().any(|point| point.key == *key);
            assert!(asked, "{name} {key}");
        }
    }
}

//! The documents of a bundle: the regulation, how clauses stand, tasks, reports and incidents, and what its reader has to know.

use ::regulation::{Document, Language, oscal};
use governance::{
    dossier::{MOST_DOCUMENTS, page},
    vuln::case::View,
};
use serde::Serialize;
use trail::bundle::{self, Erased, Evidence};

use super::{super::super::Failure, Making, left_out};

/// The other verifier, which shares nothing with this program but the description of the format.
const VERIFIER: &[u8] = include_bytes!("../../../../../../tools/verify_trail.py");
/// The description.
const FORMAT: &[u8] = include_bytes!("../../../../../../docs/trail.md");
const README: &str = include_str!("readme.en.md");
const README_JA: &str = include_str!("readme.ja.md");

/// A file that is written whole.
type Whole = (String, Vec<u8>);

impl Making<'_> {
    /// Everything but evidence, checkpoints and the manifest.
    pub(super) async fn documents(
        &self,
        evidence: &[Evidence],
        erased: &[Erased],
    ) -> Result<(), Failure> {
        let key = self.site.store.trail_key().to_string();
        let mut files: Vec<Whole> = vec![
            (
                "README.md".to_owned(),
                self.readme(Language::En, evidence, erased),
            ),
            (
                "README.ja.md".to_owned(),
                self.readme(Language::Ja, evidence, erased),
            ),
            ("trail.md".to_owned(), FORMAT.to_vec()),
            ("verify_trail.py".to_owned(), VERIFIER.to_vec()),
            (bundle::KEY.to_owned(), format!("{key}\n").into_bytes()),
            ("clauses.json".to_owned(), pretty(&self.dossier.clauses)?),
            ("tasks.json".to_owned(), pretty(&self.dossier.tasks)?),
            ("reports.json".to_owned(), pretty(&self.dossier.reports)?),
        ];
        for task in &self.dossier.tasks {
            let name = format!("tasks/{}.md", task.task.number);
            files.push((name, page::task(task).into_bytes()));
        }
        for report in &self.dossier.reports {
            let name = format!("reports/{}.md", report.report.number);
            files.push((name, page::report(report).into_bytes()));
        }
        if self.order.clause.is_none() {
            files.push((
                "incidents.json".to_owned(),
                pretty(&self.dossier.incidents)?,
            ));
            for incident in &self.dossier.incidents {
                let name = format!("incidents/{}.md", incident.number);
                files.push((name, page::incident(incident).into_bytes()));
            }
            files.extend(self.vulnerabilities()?);
            files.extend(self.regulation()?);
        }
        self.write(move |folder| {
            for (name, octets) in files {
                folder.put(&name, &octets)?;
            }
            Ok(())
        })
        .await
    }

    /// The cases of vulnerabilities: as data with every step, and as the documents that are shared (clauses 4.3, 8.3).
    fn vulnerabilities(&self) -> Result<Vec<Whole>, Failure> {
        let cases: Vec<&View> = self.papers.iter().map(|paper| &paper.case).collect();
        let mut files = vec![("vulnerabilities.json".to_owned(), pretty(&cases)?)];
        for paper in &self.papers {
            let name = format!("vulnerabilities/{}", paper.case.number);
            files.push((format!("{name}.json"), pretty(&paper.case)?));
            if let Some(csaf) = &paper.csaf {
                files.push((format!("{name}.csaf.json"), pretty(csaf)?));
            }
        }
        Ok(files)
    }

    /// The site's own regulation in both languages, and as OSCAL.
    fn regulation(&self) -> Result<Vec<Whole>, Failure> {
        let Some((rules, facts)) = &self.regulation else {
            return Ok(Vec::new());
        };
        let mut files = Vec::new();
        for (folder, language) in [("ja", Language::Ja), ("en", Language::En)] {
            let document = Document::regulation(rules, facts, language);
            let forms = [
                ("html", document.html().into_bytes()),
                ("md", document.markdown().into_bytes()),
                ("pdf", document.pdf()),
            ];
            for (form, octets) in forms {
                files.push((format!("regulation/{folder}/regulation.{form}"), octets));
            }
        }
        for document in oscal::documents(rules, facts, env!("CARGO_PKG_VERSION")) {
            let name = format!("oscal/{}", document.file);
            files.push((name, pretty(&document.json)?));
        }
        Ok(files)
    }

    /// What its reader has to know.
    fn readme(&self, language: Language, evidence: &[Evidence], erased: &[Erased]) -> Vec<u8> {
        let (english, template) = match language {
            Language::En => (true, README),
            Language::Ja => (false, README_JA),
        };
        let limits = self.limits(english, evidence, erased).join("\n");
        let key = self.site.store.trail_key();
        let about = match (&self.order.clause, english) {
            (Some(id), _) => id.clone(),
            (None, true) => "all clauses".to_owned(),
            (None, false) => "すべての条項".to_owned(),
        };
        let values = [
            ("{origin}", key.name().to_owned()),
            ("{key}", key.to_string()),
            ("{about}", about),
            ("{from}", self.wanted.from.to_string()),
            ("{to}", self.wanted.to.to_string()),
            ("{size}", self.signed.size.to_string()),
            ("{limits}", limits),
        ];
        let values = values.iter();
        let text = values.fold(template.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        });
        text.into_bytes()
    }

    /// What is not in it.
    fn limits(&self, english: bool, evidence: &[Evidence], erased: &[Erased]) -> Vec<String> {
        let mut limits = Vec::new();
        let left = left_out(evidence);
        if left > 0 {
            limits.push(match english {
                true => format!("- {left} earlier events of the period were left out: no clause was permitted more than {}. The lines `evidence` of `bundle.txt` say how many of which.", self.most),
                false => format!("- 条項ごとの上限 {} 件を超える、期間内の古いイベント {left} 件は含まれていない。内訳は `bundle.txt` の `evidence` の行にある。", self.most),
            });
        }
        if self.dossier.more {
            limits.push(match english {
                true => format!("- Only the newest {MOST_DOCUMENTS} of tasks, of reports, of incidents and of cases were looked through: older ones may be missing."),
                false => format!("- タスク、報告書、事案、脆弱性の案件はそれぞれ新しい {MOST_DOCUMENTS} 件だけを調べた。それより古いものは含まれていないことがある。"),
            });
        }
        for Erased {
            volume,
            first,
            last,
        } in erased
        {
            let count = last.saturating_sub(*first);
            limits.push(match english {
                true => format!("- Volume {volume} of the trail, {count} events, was erased on an officer's decision once its time was over: whatever of it was evidence is gone. `{}` is the signed certificate.", bundle::certificate(*volume)),
                false => format!("- 監査証跡の第 {volume} 巻({count} 件)は、保存期間の満了後、責任者の決定により消去された。その中にあった証拠は失われている。署名付きの消去証明書は `{}` にある。", bundle::certificate(*volume)),
            });
        }
        if limits.is_empty() {
            limits.push(match english {
                true => "- Nothing of the period was left out or erased.".to_owned(),
                false => "- この期間のもので、省かれたもの、消去されたものはない。".to_owned(),
            });
        }
        limits
    }
}

/// JSON that people can read, with an end of line.
pub(super) fn pretty(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut text = serde_json::to_vec_pretty(value);
    if let Ok(text) = &mut text {
        text.push(b'\n');
    }
    text.map_err(|error| Failure::Failed(error.to_string()))
}

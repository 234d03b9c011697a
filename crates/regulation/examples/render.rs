//! Writes a sample site's regulation in every form into a directory: `cargo run -p regulation --example render -- DIR`.

use std::{collections::BTreeMap, error::Error, fs, path::PathBuf};

use jiff::{Timestamp, tz::TimeZone};
use regulation::{
    Choices, Contact, Document, Holder, Language, Mark, Regulation, SiteFacts, Standing, Text,
    WayKind,
};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("name a directory")?;
    let directory = PathBuf::from(directory);
    fs::create_dir_all(&directory)?;
    let regulation = Regulation::built_in()?;
    let facts = sample(&regulation)?;
    for language in Language::ALL {
        let document = Document::regulation(&regulation, &facts, language);
        let name =
            |ending: &str| directory.join(format!("regulation-{}.{ending}", language.code()));
        fs::write(name("html"), document.html())?;
        fs::write(name("md"), document.markdown())?;
        fs::write(name("pdf"), document.pdf())?;
    }
    for document in regulation::oscal::documents(&regulation, &facts, "0.1.0") {
        let text = serde_json::to_string_pretty(&document.json)?;
        fs::write(directory.join(document.file), text)?;
    }
    Ok(())
}

fn sample(regulation: &Regulation) -> Result<SiteFacts, Box<dyn Error>> {
    let at: Timestamp = "2026-11-28T03:00:00Z".parse()?;
    let mut choices = Choices::proposed(regulation);
    choices.set_option(regulation, "initial-password-change", true)?;
    let holder = |name: &str, full_name: &str| Holder {
        name: name.to_owned(),
        full_name: full_name.to_owned(),
    };
    let holders = BTreeMap::from([
        (
            "administrator".to_owned(),
            vec![holder("kanri", "管理 太郎")],
        ),
        (
            "account-manager".to_owned(),
            vec![holder("kengen", "権限 花子")],
        ),
        (
            "system-officer".to_owned(),
            vec![holder("system", "責任 一郎")],
        ),
        (
            "security-officer".to_owned(),
            vec![holder("anzen", "安全 幸子")],
        ),
        (
            "personnel-clerk".to_owned(),
            vec![holder("jinji", "人事 次郎")],
        ),
        (
            "staff".to_owned(),
            vec![holder("a", "甲"), holder("b", "乙")],
        ),
    ]);
    let standings = regulation.clauses().filter_map(|clause| {
        let mark = match clause.ways.first()?.way {
            WayKind::Enforce => Mark::ByDesign,
            WayKind::Measure if clause.id == "4.3-2-a" => Mark::NotMet,
            WayKind::Measure => Mark::Measured,
            WayKind::Workflow => Mark::Workflow,
        };
        let standing = Standing {
            mark,
            since: Some(at),
            seen: Some(at),
            note: (mark == Mark::NotMet).then(|| {
                Text::new(
                    "脆弱性情報が3日間取り込まれていない。",
                    "No feed was imported for 3 days.",
                )
            }),
        };
        Some((clause.id.clone(), standing))
    });
    let standings = standings.filter(|(id, _)| !id.starts_with("9"));
    Ok(SiteFacts {
        organisation: "例示市役所".to_owned(),
        hostname: "mail.example.org".to_owned(),
        domains: vec!["example.org".to_owned(), "city.example.jp".to_owned()],
        exchange: true,
        mailbox: true,
        edition: 3,
        at,
        time_zone: TimeZone::get("Asia/Tokyo")?,
        choices,
        holders,
        contacts: vec![Contact {
            subject: Text::new("パスワードの漏えい等の届出", "Reports of leaked passwords"),
            value: "security@example.org".to_owned(),
        }],
        corrections: Vec::new(),
        standings: standings.collect(),
    })
}

//! A site's own regulation: what it has chosen is in the settings, and the documents are made of that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::fs;

use serde_json::Value;
use sha2::{Digest, Sha256};
use support::{Program, Site};

fn digest(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The regulation as `format` in `lang`, and the row that tells of it.
fn rendered(site: &Site, name: &str, lang: &str, format: &str) -> (Vec<u8>, Value) {
    let file = site.beside(name);
    let words = [
        "regulation",
        "render",
        "--lang",
        lang,
        "--format",
        format,
        "--to",
    ];
    let told = site.give(&[&words[..], &[file.to_str().unwrap()]].concat());
    (fs::read(&file).unwrap(), told[0].clone())
}

fn text(site: &Site, name: &str, lang: &str) -> String {
    String::from_utf8(rendered(site, name, lang, "md").0).unwrap()
}

#[test]
fn two_sites_with_other_choices_have_other_regulations() {
    let mut city = Site::new("city.example");
    city.set("regulation", "organisation = \"例示市\"");
    city.set(
        "regulation",
        "contacts = [{ about = \"漏えいの届出\", value = \"security@city.example\" }]",
    );
    city.set(
        "regulation",
        "parameters = { trail-review = 6, personnel-contact = \"人事課\" }",
    );
    city.set("regulation", "options = { outside-experts = true }");
    city.set("audit", "retain_years = 7");
    city.set("directory", "initial_only_to_change = true");
    city.serve();
    let mut town = Site::new("town.example");
    town.set("regulation", "edition = 4");
    town.set(
        "regulation",
        "options = { storage-monitoring = false, trail-review = false }",
    );
    town.serve();

    let ja = text(&city, "city.md", "ja");
    for said in [
        "例示市",
        "第1版",
        "証跡を7年保存すること",
        "証跡を6か月に1度点検して分析し",
        "人事課から職員の転入の知らせ",
        "10.1-2: 未遵守",
        "7.1-2-b: 設計により遵守",
        "漏えいの届出",
    ] {
        assert!(ja.contains(said), "{said}: {ja}");
    }
    let en = text(&town, "town.md", "en");
    for said in [
        "town.example",
        "Edition 4",
        "keeps the trail for 10 years",
        "the personnel clerk announces",
        "Annex 6: Clauses not adopted",
    ] {
        assert!(en.contains(said), "{said}: {en}");
    }
    // What is not adopted is not in the articles, and those after it are numbered anew.
    assert!(!en.contains("*[5.4-1:"), "{en}");
    let told = "| 5.4-1 | watch the backlog | not adopted |";
    assert!(en.contains(told), "{en}");
    assert!(ja.contains("*[5.4-1:"), "{ja}");
    // A loopback site does not screen unless it is told to: its article on unwanted mail is not there either.
    assert!(
        ja.contains("### 第10条（電子メールキューの管理）\n"),
        "{ja}"
    );
    assert!(en.contains("### Article 10 (Error mail)\n"), "{en}");

    // The same in the other forms, each an event with its digest.
    let (page, _) = rendered(&city, "city.html", "ja", "html");
    let page = String::from_utf8(page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("例示市"));
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    // Without a file it is printed.
    let printed = Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .words(["-C", city.path().to_str().unwrap()])
        .words(["regulation", "render", "--lang", "en", "--format", "md"])
        .succeeds();
    assert!(
        printed.contains("Edition 1") && printed.contains("*[5.4-1: "),
        "{printed}"
    );
    let (pdf, row) = rendered(&city, "city.pdf", "ja", "pdf");
    assert!(pdf.starts_with(b"%PDF-"));
    assert_eq!(row["sha256"], digest(&pdf).as_str());
    let made = city.events(&["--kind", "regulation.rendered"]);
    assert_eq!(made.len(), 4, "{made:?}");
    let told = made.iter().find(|event| event["detail"]["format"] == "pdf");
    assert_eq!(told.unwrap()["detail"]["sha256"], digest(&pdf).as_str());
    let read = Program::new("pdftotext")
        .word(city.beside("city.pdf"))
        .word("-")
        .succeeds();
    assert!(read.contains("証跡を7年保存すること"), "{read}");

    // A file that is there is not written over.
    let file = city.beside("city.pdf");
    let words = ["regulation", "render", "--format", "pdf", "--to"];
    let told = city.refused(&[&words[..], &[file.to_str().unwrap()]].concat());
    assert!(told.contains("exists"), "{told}");
    assert_eq!(fs::read(&file).unwrap(), pdf);
}

#[test]
fn an_export_names_what_it_is_of() {
    let mut site = Site::served("city.example");
    let folder = site.beside("oscal");
    let words = ["regulation", "export", "--to", folder.to_str().unwrap()];
    let files = site.give(&words);
    let names: Vec<&str> = files
        .iter()
        .map(|file| file["file"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "catalog-2006.json",
            "profile.json",
            "component-definition.json",
            "assessment-plan.json",
            "assessment-results.json",
            "plan-of-action-and-milestones.json",
        ]
    );
    for file in &files {
        let bytes = fs::read(folder.join(file["file"].as_str().unwrap())).unwrap();
        assert_eq!(file["sha256"], digest(&bytes).as_str());
        serde_json::from_slice::<Value>(&bytes).unwrap();
    }
    let told = site.events(&["--kind", "regulation.exported"]);
    assert_eq!(told[0]["detail"]["files"], Value::Array(files));
    assert!(site.refused(&words).contains("something in it already"));
    // What cannot be given its place is neither told nor left there.
    let nowhere = site.beside("nowhere/oscal");
    site.refused(&["regulation", "export", "--to", nowhere.to_str().unwrap()]);
    assert_eq!(site.events(&["--kind", "regulation.exported"]).len(), 1);
    assert!(!nowhere.exists());
    let beside = fs::read_dir(folder.parent().unwrap()).unwrap();
    let left = beside.map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left
        .filter(|name| name.to_string_lossy().contains("unfinished"))
        .collect();
    assert_eq!(left, [""; 0]);
    site.stop();
}

const OWN: &str = "
[catalogue]
id = \"site-rules\"
version = \"1\"
title.ja = \"例示市の規則\"
title.en = \"Rules of the city\"
source = { title = { ja = \"規則\", en = \"Rules\" }, publisher = { ja = \"例示市\", en = \"The city\" }, date = \"2026-04\" }

[[chapter]]
number = 1
title.ja = \"市の規則\"
title.en = \"Rules of the city\"

[[section]]
chapter = 1
id = \"site-1\"
title.ja = \"署名\"
title.en = \"Signatures\"

[[section.clause]]
id = \"site-1-1\"
title.ja = \"署名\"
title.en = \"signatures\"
demand.ja = \"送信する電子メールには署名を付すること。\"
demand.en = \"Mail that is sent is signed.\"
owed_by = [\"administrator\"]
ways = [{ way = \"measure\", by = \"signing-keys\", text = { ja = \"鍵を確かめる。\", en = \"Keys are checked.\" } }]
";

#[test]
fn a_site_has_clauses_of_its_own_and_wrong_ones_are_told() {
    let mut site = Site::new("city.example");
    let folder = site.path().join("regulation");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("rules.toml"), OWN).unwrap();
    site.serve();
    let shown = site.give(&["regulation", "show"]);
    assert!(shown.iter().any(|row| row["key"] == "site-rules"));
    let ja = text(&site, "own.md", "ja");
    assert!(
        ja.contains("送信する電子メールには署名を付すること。 *[site-1-1:"),
        "{ja}"
    );
    // It belongs to what a backup keeps.
    let backup = site.beside("backup");
    site.give(&["backup", backup.to_str().unwrap()]);
    assert_eq!(
        fs::read_to_string(backup.join("regulation/rules.toml")).unwrap(),
        OWN
    );
    site.stop();

    let wrong = |text: &str, settings: &str| {
        fs::write(folder.join("rules.toml"), text).unwrap();
        if !settings.is_empty() {
            site.set("regulation", settings);
        }
        let told = Program::new(env!("CARGO_BIN_EXE_kakitome"))
            .word("check")
            .word(site.path())
            .fails();
        if let Some((key, _)) = settings.split_once(" = ") {
            site.unset(key);
        }
        told.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (text, settings, said) in [
        (OWN.replace("site-1-1", "4.1-1"), "", "4.1-1"),
        (OWN.replace("owed_by", "owned_by"), "", "owned_by"),
        (
            OWN.replace("\"administrator\"", "\"emperor\""),
            "",
            "emperor",
        ),
        (
            OWN.to_owned(),
            "parameters = { trail-review = 99 }",
            "from 1 to 12",
        ),
        (
            OWN.to_owned(),
            "parameters = { trail-retention = 3 }",
            "audit.retain_years",
        ),
        (
            OWN.to_owned(),
            "options = { no-identifier-reuse = false }",
            "cannot be chosen",
        ),
        (OWN.to_owned(), "options = { hats = true }", "hats"),
    ] {
        let told = wrong(&text, settings);
        assert!(told.contains(said), "{said}: {told}");
    }
}

//! The built-in catalogue is whole: every clause and sub-item of the regulation of 2006 is in it, in both languages, and what it names
//! is there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use regulation::{Choices, Decided, File, Kind, Language, Regulation, Text, Unit, Value, WayKind};

/// Clauses of the source by section, each with how many sub-items it has; counted by hand in the source.
const CLAUSES: &[(&str, &[(&str, usize)])] = &[
    ("4.1", &[("1", 4), ("2", 2), ("3", 2)]),
    ("4.2", &[("1", 4), ("2", 0), ("3", 0)]),
    (
        "4.3",
        &[("1", 1), ("2", 2), ("3", 0), ("4", 0), ("5", 3), ("6", 6)],
    ),
    ("4.4", &[("1", 0), ("2", 0)]),
    ("5.1", &[("1", 1)]),
    (
        "5.2",
        &[("1", 0), ("2", 2), ("3", 0), ("4", 0), ("5", 0), ("6", 0)],
    ),
    ("5.3", &[("1", 0), ("2", 0)]),
    ("5.4", &[("1", 0), ("2", 0)]),
    ("5.5", &[("1", 0), ("2", 0), ("3", 0)]),
    ("6.1", &[("1", 3)]),
    ("6.2", &[("1", 0), ("2", 0)]),
    (
        "7.1",
        &[("1", 3), ("2", 2), ("3", 4), ("4", 0), ("5", 0), ("6", 0)],
    ),
    ("8.1", &[("1", 0), ("2", 0)]),
    ("8.2", &[("1", 2), ("2", 0), ("3", 3)]),
    ("8.3", &[("4", 8), ("5", 0), ("6", 0)]),
    ("8.4", &[("1", 0)]),
    ("9.1", &[("1", 0), ("2", 0)]),
    ("9.2", &[("1", 0)]),
    ("10.1", &[("1", 0), ("2", 0)]),
];

/// Sentences of the source that have a second demand, of another strength, in one clause: each is an item here.
const SECOND_SENTENCES: [&str; 2] = ["4.2-2-a", "5.4-2-a"];

fn built_in() -> Regulation {
    match Regulation::built_in() {
        Ok(regulation) => regulation,
        Err(error) => panic!("{error}"),
    }
}

/// Every id that the source gives rise to.
fn wanted() -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for (section, clauses) in CLAUSES {
        for (number, items) in *clauses {
            let clause = format!("{section}-{number}");
            for letter in ('a'..='z').take(*items) {
                ids.insert(format!("{clause}-{letter}"));
            }
            ids.insert(clause);
        }
    }
    // The four rules of a password.
    ids.extend(["i", "ii", "iii", "iv"].map(|rule| format!("7.1-1-a-{rule}")));
    ids.extend(SECOND_SENTENCES.map(str::to_owned));
    ids.extend((1..=9).map(|number| format!("3-{number}")));
    ids.extend((1..=5).map(|number| format!("assumption-{number}")));
    ids.extend(["1".to_owned(), "2.1".to_owned()]);
    ids
}

#[test]
fn every_clause_and_sub_item_of_the_source_is_there_and_no_other() {
    let regulation = built_in();
    let there: BTreeSet<String> = regulation
        .clauses()
        .map(|clause| clause.id.clone())
        .collect();
    let wanted = wanted();
    let missing: Vec<&String> = wanted.difference(&there).collect();
    let more: Vec<&String> = there.difference(&wanted).collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "missing {missing:?}, more {more:?}"
    );
}

#[test]
fn an_item_is_in_the_section_of_its_clause_and_after_it() {
    let regulation = built_in();
    let mut before = BTreeSet::new();
    for clause in regulation.clauses() {
        if let Some(parent) = clause.parent() {
            assert!(before.contains(parent), "{} before {parent}", clause.id);
        }
        before.insert(clause.id.as_str());
    }
    let catalogue = regulation.catalogues().first().unwrap();
    for section in catalogue.chapters.iter().flat_map(|one| &one.sections) {
        for clause in &section.clauses {
            let own = clause.id == section.id || clause.id.starts_with(&format!("{}-", section.id));
            assert!(
                own || clause.kind == Kind::Assumption,
                "{} in {}",
                clause.id,
                section.id
            );
        }
    }
}

/// A text is in the language that it says it is in.
#[test]
fn each_language_is_that_language() {
    let regulation = built_in();
    let japanese = |text: &str| {
        text.chars()
            .any(|one| ('\u{3041}'..='\u{9fff}').contains(&one))
    };
    let check = |place: &str, text: &Text| {
        let term = text.ja.is_ascii() && text.ja == text.en;
        assert!(japanese(&text.ja) || term, "{place}: {}", text.ja);
        assert!(!japanese(&text.en), "{place}: {}", text.en);
    };
    for clause in regulation.clauses() {
        check(&clause.id, &clause.title);
        check(&clause.id, &clause.demand);
        for way in &clause.ways {
            check(&clause.id, &way.text);
        }
    }
    for option in regulation.options() {
        check(&option.key, &option.condition);
        check(&option.key, &option.reason);
    }
    for parameter in regulation.parameters() {
        check(&parameter.key, &parameter.title);
    }
}

#[test]
fn every_kind_of_evidence_is_one_that_the_trail_knows() {
    for clause in built_in().clauses() {
        for kind in &clause.evidence {
            assert!(kind.parse::<trail::Kind>().is_ok(), "{}: {kind}", clause.id);
        }
    }
}

/// One name is one sort of machinery, wherever it is named.
#[test]
fn a_check_is_not_also_a_workflow() {
    let regulation = built_in();
    let mut kinds: BTreeMap<&str, WayKind> = BTreeMap::new();
    for way in regulation.clauses().flat_map(|clause| &clause.ways) {
        let known = *kinds.entry(&way.by).or_insert(way.way);
        assert_eq!(known, way.way, "{}", way.by);
    }
    assert_eq!(regulation.machinery().len(), kinds.len());
}

#[test]
fn what_is_demanded_of_an_item_is_not_more_than_of_its_clause() {
    let regulation = built_in();
    for clause in regulation.clauses() {
        let Some(parent) = clause.parent().and_then(|id| regulation.clause(id)) else {
            continue;
        };
        if parent.option.is_some() {
            assert!(clause.option.is_some(), "{}", clause.id);
        }
    }
}

#[test]
fn options_and_parameters_are_those_of_the_source() {
    let regulation = built_in();
    // 【…】 of the source, each condition once.
    assert_eq!(regulation.options().count(), 14);
    let proposed = |key: &str| Choices::proposed(&regulation).said(key, Language::En);
    for (key, value) in [
        ("trail-rotation", "1 month"),
        ("trail-retention", "10 years"),
        ("vulnerability-check", "1 day"),
        ("configuration-review", "1 year"),
        ("relay-check", "1 year"),
        ("capacity-check", "1 month"),
        ("trail-review", "3 months"),
        ("password-length", "8 characters"),
        ("definitions-age", "3 days"),
    ] {
        assert_eq!(proposed(key).as_deref(), Some(value), "{key}");
    }
    for parameter in regulation.parameters() {
        let used = regulation.clauses().any(|clause| {
            clause.parameters.contains(&parameter.key)
                || clause.schedule_parameter.as_ref() == Some(&parameter.key)
        });
        assert!(used, "{}", parameter.key);
    }
    for option in regulation.options() {
        let used = regulation
            .clauses()
            .any(|clause| clause.option.as_ref() == Some(&option.key));
        assert!(used, "{}", option.key);
    }
}

#[test]
fn a_choice_is_held_to_what_the_regulation_permits() {
    let regulation = built_in();
    let mut choices = Choices::proposed(&regulation);
    let mut choose = |key: &str, value| {
        let chosen = choices.choose_parameter(&regulation, key, value);
        chosen.map_err(|error| error.to_string())
    };
    assert!(choose("trail-review", Value::Number(6)).is_ok());
    assert!(
        choose("trail-review", Value::Number(13))
            .unwrap_err()
            .contains("from 1 to 12")
    );
    assert!(
        choose("trail-review", Value::Plain("six".into()))
            .unwrap_err()
            .contains("number")
    );
    assert!(
        choose("trail-retention", Value::Number(1))
            .unwrap_err()
            .contains("audit.retain_years")
    );
    assert!(
        choose("hats", Value::Number(1))
            .unwrap_err()
            .contains("hats")
    );
    let clause = regulation.clause("8.2-2").unwrap();
    assert_eq!(choices.schedule(clause).to_string(), "every-6-months");
    assert!(
        choices
            .demand(clause, Language::En)
            .starts_with("Every 6 months the")
    );
    assert!(
        choices
            .demand(clause, Language::Ja)
            .contains("証跡を6か月に1度点検")
    );
    assert!(
        choices
            .choose_option(&regulation, "issue-register", false)
            .is_err()
    );
    assert!(choices.demands(&regulation, regulation.clause("8.2-3-c").unwrap()));
    choices
        .choose_option(&regulation, "trail-review", false)
        .unwrap();
    // An item of what is not adopted is not adopted either.
    assert!(!choices.demands(&regulation, regulation.clause("8.2-3-c").unwrap()));
}

#[test]
fn periods_come_of_parameters_that_are_periods() {
    let regulation = built_in();
    for clause in regulation.clauses() {
        let Some(key) = &clause.schedule_parameter else {
            continue;
        };
        let parameter = regulation.parameter(key).unwrap();
        assert_ne!(parameter.unit, Unit::Text);
        assert_ne!(parameter.decided, Decided::Design);
        let proposed = Choices::proposed(&regulation);
        assert_eq!(proposed.schedule(clause), clause.schedule, "{}", clause.id);
    }
}

#[test]
fn the_page_of_clauses_is_of_this_catalogue() {
    let page = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/clauses.md"
    ));
    assert!(
        page.unwrap() == regulation::listing(&built_in()),
        "docs/clauses.md is of another catalogue: cargo run -q -p regulation --example clauses > docs/clauses.md"
    );
}

const HEAD: &str = "[catalogue]\nid = \"site-x\"\nversion = \"1\"\ntitle = { ja = \"規則\", en = \"Rules\" }\n\
    source = { title = { ja = \"規則\", en = \"Rules\" }, publisher = { ja = \"市\", en = \"City\" }, date = \"2026\" }\n";

#[test]
fn a_wrong_catalogue_is_told_with_its_place() {
    let of = |text: &str| {
        let loaded = Regulation::load(&[File {
            name: "own.toml",
            text,
        }]);
        loaded.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(of(HEAD), Ok(()));
    let unknown = of(&format!("{HEAD}\n[[slips]]\nid = \"x\"\n")).unwrap_err();
    assert!(
        unknown.contains("own.toml") && unknown.contains("line 7"),
        "{unknown}"
    );
    assert!(of("").unwrap_err().contains("[catalogue]"));
    let renamed = HEAD.replace("site-x", "mine");
    assert!(of(&renamed).unwrap_err().contains("site-"));
    let empty = HEAD.replace("en = \"City\"", "en = \"\"");
    assert!(of(&empty).unwrap_err().contains("English"));
    let twice = Regulation::load(&[
        File {
            name: "a.toml",
            text: HEAD,
        },
        File {
            name: "b.toml",
            text: HEAD,
        },
    ]);
    assert!(twice.unwrap_err().to_string().contains("twice"));
    let section =
        "\n[[section]]\nchapter = 9\nid = \"site-1\"\ntitle = { ja = \"一\", en = \"One\" }\n";
    assert!(
        of(&format!("{HEAD}{section}"))
            .unwrap_err()
            .contains("chapter 9")
    );
}

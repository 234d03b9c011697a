#![allow(clippy::unwrap_used)]
use super::*;
use crate::command::incident::Step;

/// A site's own, changed from the built-in one.
fn changed(kind: IncidentKind, from: &str, to: &str) -> Result<Runbook, RunbookError> {
    let text = kind.built_in();
    assert!(text.contains(from), "{from}");
    let file = format!("runbooks/{}.toml", kind.as_str());
    Runbook::of_site(&file, &text.replacen(from, to, 1))
}

#[test]
fn the_built_in_ones_are_in_order() {
    let all = Runbooks::built_in().unwrap();
    assert_eq!(all.iter().count(), IncidentKind::ALL.len());
    for (_, book) in all.iter() {
        let kind = book.kind.as_str();
        // As a site's own each would do, and each is reported and acknowledged.
        changed(book.kind, "", "").unwrap();
        for step in [Step::Analysed, Step::Reported, Step::Acknowledged] {
            assert!(book.has(step, false), "{kind}: {}", step.as_str());
        }
        for rule in &book.steps {
            let is_timed = rule.within.is_some();
            assert_eq!(is_timed, rule.server != Part::Does, "{kind}: {}", rule.key);
        }
    }
}

#[test]
fn a_site_may_add_and_say_it_in_other_words() {
    let step = "[[step]]\nkey = \"press-told\"\nroles = [\"system-officer\"]\nafter = [\"acknowledged\"]\n\
                text = { ja = \"広報に知らせる。\", en = \"The press office is told.\" }\n";
    let text = format!("{}\n{step}", IncidentKind::Dos.built_in());
    let text = text.replacen("Denial of service", "Flood", 1);
    let book = Runbook::of_site("runbooks/dos.toml", &text).unwrap();
    assert_eq!(book.title.en, "Flood");
    assert_eq!(book.steps.last().unwrap().key, "press-told");
    assert_ne!(
        book.digest(),
        Runbook::built_in(IncidentKind::Dos).unwrap().digest()
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (from, to, line, told) in [
        (
            "kind = \"dos\"",
            "kind = \"flood\"",
            2,
            "no kind of incident is called \"flood\"",
        ),
        ("days = 2", "days = 0", 13, "1 hour to 90 days"),
        ("days = 2", "days = 2\nhours = 1", 13, "not in both"),
        (
            "\"suspend\", ",
            "\"stop\", ",
            17,
            "no lever is called \"stop\"",
        ),
        (
            "\"service-normal\"",
            "\"calm\"",
            19,
            "there are service-normal, probe-passes",
        ),
        ("\"smtp.refused\", ", "\"smtp.denied\", ", 15, "smtp.denied"),
        (
            "key = \"analysed\"",
            "key = \"analyzed\"",
            22,
            "knows no step \"analyzed\" that it does",
        ),
        (
            "key = \"measure-taken\"\nserver = \"checks\"",
            "key = \"measure-taken\"",
            43,
            "server = \"checks\"",
        ),
        (
            "after = [\"acknowledged\"]",
            "after = [\"acknowleged\"]",
            47,
            "no step \"acknowleged\" stands before",
        ),
        ("hours = 24", "minutes = 24", 48, "unknown field `minutes`"),
        ("hours = 24", "roles = []", 48, "duplicate key"),
    ] {
        let error = changed(IncidentKind::Dos, from, to).unwrap_err();
        assert_eq!(error.line, Some(line), "{to}: {error}");
        assert!(error.to_string().contains(told), "{to}: {error}");
        assert!(
            error.to_string().starts_with("runbooks/dos.toml:"),
            "{error}"
        );
    }
}

#[test]
fn what_a_clause_demands_cannot_be_left_out() {
    for (from, to, told) in [
        (
            "officer = \"system-officer\"",
            "officer = \"security-officer\"",
            "officer = \"system-officer\"",
        ),
        (
            "closing = [\"service-normal\"]",
            "closing = []",
            "the closing condition service-normal",
        ),
        ("\"8.4-1\"", "\"8.3-4\"", "the clause 8.4-1"),
        ("note = true\n", "", "the note of the step measure-taken"),
        ("hours = 24\n", "", "the time of the step measure-taken"),
        (
            "roles = [\"system-officer\"]",
            "roles = [\"system-officer\", \"administrator\"]",
            "alone of the step acknowledged",
        ),
    ] {
        let error = changed(IncidentKind::Dos, from, to)
            .unwrap_err()
            .to_string();
        assert!(error.contains(told), "{to}: {error}");
    }
    let text = IncidentKind::Dos.built_in();
    let cut = text.find("[[step]]\nkey = \"measure-taken\"").unwrap();
    let error = Runbook::of_site("runbooks/dos.toml", &text[..cut]).unwrap_err();
    assert!(
        error.to_string().contains("the step measure-taken"),
        "{error}"
    );
    let error = Runbook::of_site("runbooks/other.toml", text).unwrap_err();
    assert!(
        error.to_string().contains("to be called dos.toml"),
        "{error}"
    );
    let error = Runbook::of_site("runbooks/dos.toml", &" ".repeat(MOST_OCTETS + 1)).unwrap_err();
    assert!(error.to_string().contains("at most 64 KiB"), "{error}");
}

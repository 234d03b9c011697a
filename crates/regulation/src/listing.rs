//! The catalogue as a page for people, `docs/clauses.md`.

use std::fmt::Write;

use crate::{Choices, Clause, Kind, Language, Regulation, citation};

const BEGINNING: &str = "\
# The clauses

Every clause and sub-item of the regulation, as code and documents cite them, with what it demands where a site has changed nothing, who owes
it, when it is due, and what the server has for it: by design (enforce), by its own checks (measure), or by work of people (workflow). It is
made of the catalogue in `crates/regulation/catalogue`, and a test fails if it differs from that; `./test` checks citations against it. To
renew it:

```
cargo run -q -p regulation --example clauses > docs/clauses.md
```
";

/// The whole page.
#[must_use]
pub fn listing(regulation: &Regulation) -> String {
    let choices = Choices::proposed(regulation);
    let mut page = BEGINNING.to_owned();
    // Writing to a String cannot fail.
    let written = write(&mut page, regulation, &choices);
    debug_assert!(written.is_ok());
    page
}

fn write(page: &mut String, regulation: &Regulation, choices: &Choices) -> std::fmt::Result {
    for catalogue in regulation.catalogues() {
        for section in catalogue.chapters.iter().flat_map(|one| &one.sections) {
            let duties = section.clauses.iter();
            let duties: Vec<&Clause> = duties
                .filter(|clause| clause.kind != Kind::Definition)
                .collect();
            if duties.is_empty() {
                continue;
            }
            writeln!(page, "\n## {} {}\n", section.id, section.title.en)?;
            writeln!(page, "| clause | id | demand | owed by | when | met by |")?;
            writeln!(page, "|---|---|---|---|---|---|")?;
            for clause in duties {
                row(page, choices, clause)?;
            }
        }
    }
    writeln!(page, "\n## Doubts in the source\n")?;
    for slip in regulation.catalogues().iter().flat_map(|one| &one.slips) {
        writeln!(
            page,
            "- {}: {} {}",
            slip.place, slip.what.en, slip.reading.en
        )?;
    }
    Ok(())
}

fn row(page: &mut String, choices: &Choices, clause: &Clause) -> std::fmt::Result {
    let ways = clause.ways.iter();
    let ways: Vec<String> = ways
        .map(|way| format!("{} `{}`", way.way.as_str(), way.by))
        .collect();
    let option = clause.option.as_ref();
    let option = option.map_or_else(String::new, |key| format!(" (option `{key}`)"));
    writeln!(
        page,
        "| {} | `{}` | {}{option} | {} | {} | {} |",
        citation(&clause.id),
        clause.id,
        choices.demand(clause, Language::En),
        clause.owed_by.join(", "),
        choices.schedule(clause),
        match ways.is_empty() {
            true => "its items".to_owned(),
            false => ways.join(", "),
        }
    )
}

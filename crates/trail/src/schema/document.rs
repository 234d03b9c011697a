//! The schema as a page for people, `docs/events.md`.

use super::{CHAPTERS, COMMON, Fact, Holds, Schema, When};
use crate::SCHEMA_VERSION;

const BEGINNING: &str = "\
What each kind of event holds. [trail.md](trail.md) has the fields that all events share; this page has, for each kind, what `subject`
and `order` are, which outcomes occur, and the facts of `detail`. It is made of the tables in `crates/trail/src/schema`, and a test
fails if it differs from them; every event that a test or a debug build writes is held to them too. To renew it:

```
cargo run -q -p trail --example events > docs/events.md
```
";

const RULES: &str = "\
- The name of a kind or of a fact, once used, keeps its meaning.
- New kinds, and new facts of a kind, come within a version: who reads events passes over what they do not know.
- A meaning or a type that changes raises the version. Each event says in `version` which it was written with.
";

const COMMON_FACTS: &str = "\
`truncated` and `acting_role` may be in an event of every kind; where the former is, a fact that is always there otherwise may be missing. Of the others, the kinds
that have them give their names.
";

/// The whole page.
#[must_use]
pub fn document() -> String {
    let mut page = format!(
        "# The events\n\n{BEGINNING}\n## Versions\n\nThis is version {SCHEMA_VERSION} of the schema.\n\n{RULES}\n\
         ## Facts that many kinds share\n\n{COMMON_FACTS}\n"
    );
    table(&mut page, COMMON.iter());
    for (title, schemas) in CHAPTERS {
        page.push_str(&format!("\n## {title}\n"));
        for schema in *schemas {
            section(&mut page, schema);
        }
    }
    page
}

fn section(page: &mut String, schema: &Schema) {
    let outcomes: Vec<String> = schema
        .outcomes
        .iter()
        .map(|outcome| code(outcome.as_str()))
        .collect();
    let subject = match schema.subject {
        "" => "none",
        subject => subject,
    };
    page.push_str(&format!(
        "\n### {}\n\n{}\n\n- Subject: {subject}.\n- Outcome: {}.\n",
        code(schema.kind.as_str()),
        schema.kind.meaning(),
        outcomes.join(", "),
    ));
    if let Some(order) = schema.order {
        page.push_str(&format!("- Order: {order}.\n"));
    }
    let (common, own): (Vec<&Fact>, Vec<&Fact>) =
        schema.facts.iter().partition(|fact| COMMON.contains(fact));
    if !common.is_empty() {
        let names: Vec<String> = common.iter().map(|fact| code(fact.name)).collect();
        page.push_str(&format!("- Shared facts: {}.\n", names.join(", ")));
    }
    if !own.is_empty() {
        page.push('\n');
        table(page, own.into_iter());
    }
}

fn table<'a>(page: &mut String, facts: impl Iterator<Item = &'a Fact>) {
    page.push_str("| fact | type | there | meaning |\n|---|---|---|---|\n");
    for fact in facts {
        let mut holds = name(fact.holds).to_owned();
        if let Some(or) = fact.or {
            holds.push_str(&format!(" or {}", name(or)));
        }
        let there = match fact.when {
            When::Always => "always",
            When::OrNull => "always, or null",
            When::Sometimes => "sometimes",
        };
        page.push_str(&format!(
            "| {} | {holds} | {there} | {} |\n",
            code(fact.name),
            fact.meaning
        ));
    }
}

fn name(holds: Holds) -> &'static str {
    match holds {
        Holds::Text => "text",
        Holds::Number => "number",
        Holds::Boolean => "boolean",
        Holds::List => "list",
        Holds::Object => "object",
        Holds::Any => "any",
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_in_docs_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == super::document(),
            "docs/events.md is not what the tables in crates/trail/src/schema say: renew it with \
             `cargo run -q -p trail --example events > docs/events.md`"
        );
    }
}

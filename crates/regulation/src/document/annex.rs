//! The annexes: who holds which role, what was chosen, how each clause is met, what is not adopted, what was read how.

use super::{
    Block,
    body::Writer,
    number::{ASSUMPTIONS, is_adopted},
    words::{self, Words, words},
};
use crate::{Catalogue, Clause, Decided, Kind, Language, SiteFacts, Standing};

/// All annexes that have something to say.
pub(super) fn all(writer: &Writer<'_>) -> Vec<Block> {
    let annexes: [(Words, Vec<Block>); 8] = [
        (
            words("役割と担当者", "Roles and who holds them"),
            roles(writer),
        ),
        (words("連絡先", "Contacts"), contacts(writer)),
        (
            words("定めた値", "Values that were set"),
            parameters(writer),
        ),
        (
            words("選択した事項", "Options that were chosen"),
            options(writer),
        ),
        (
            words("前提とする事項", "What is taken for given"),
            assumptions(writer),
        ),
        (
            words("各条項の遵守の方法と状況", "How each clause is met"),
            ways(writer),
        ),
        (
            words("採用しない条項", "Clauses not adopted"),
            left_out(writer),
        ),
        (
            words(
                "基とした文書の疑義とその読み方",
                "Doubts in the source, and how they are read",
            ),
            slips(writer),
        ),
    ];
    let mut blocks = Vec::new();
    let mut number = 0;
    for (title, content) in annexes {
        if content.is_empty() {
            continue;
        }
        number += 1;
        let title = title.of(writer.language);
        blocks.push(Block::Heading {
            level: 1,
            text: match writer.language {
                Language::Ja => format!("別表第{number} {title}"),
                Language::En => format!("Annex {number}: {title}"),
            },
            anchor: format!("annex-{number}"),
        });
        blocks.extend(content);
    }
    blocks
}

fn table(writer: &Writer<'_>, columns: &[(Words, u8)], rows: Vec<Vec<String>>) -> Vec<Block> {
    if rows.is_empty() {
        return Vec::new();
    }
    let head = columns.iter();
    vec![Block::Table {
        head: head
            .map(|(title, _)| title.of(writer.language).to_owned())
            .collect(),
        widths: columns.iter().map(|(_, width)| *width).collect(),
        rows,
    }]
}

fn roles(writer: &Writer<'_>) -> Vec<Block> {
    let language = writer.language;
    let roles = writer.regulation.roles();
    let rows = roles.map(|role| {
        let holders = writer.facts.holders.get(&role.key);
        let names: Vec<&str> = holders
            .into_iter()
            .flatten()
            .map(|holder| holder.full_name.as_str())
            .collect();
        // Everybody who has a mailbox is staff: they are not named one by one.
        let holders = match names.len() {
            0 => words("(定めなし)", "(nobody)").of(language).to_owned(),
            count if role.key == "staff" => match language {
                Language::Ja => format!("{count}名"),
                Language::En => format!("{count} people"),
            },
            _ => names.join(match language {
                Language::Ja => "、",
                Language::En => ", ",
            }),
        };
        vec![
            role.title.of(language).to_owned(),
            role.duty.of(language).to_owned(),
            holders,
        ]
    });
    let columns = [
        (words("役割", "Role"), 26),
        (words("任務", "What for"), 46),
        (words("担当者", "Held by"), 28),
    ];
    table(writer, &columns, rows.collect())
}

fn contacts(writer: &Writer<'_>) -> Vec<Block> {
    let contacts = writer.facts.contacts.iter();
    let rows = contacts.map(|contact| {
        vec![
            contact.subject.of(writer.language).to_owned(),
            contact.value.clone(),
        ]
    });
    let columns = [
        (words("事項", "About"), 40),
        (words("連絡先", "Whom to turn to"), 60),
    ];
    table(writer, &columns, rows.collect())
}

fn parameters(writer: &Writer<'_>) -> Vec<Block> {
    let language = writer.language;
    let rows = writer.regulation.parameters().map(|parameter| {
        let chosen = writer.facts.choices.said(&parameter.key, language);
        vec![
            parameter.title.of(language).to_owned(),
            chosen.unwrap_or_default(),
            parameter.said(language),
            setting(parameter.decided, parameter.setting.as_deref(), language),
        ]
    });
    let columns = [
        (words("事項", "What"), 38),
        (words("定めた値", "Set to"), 14),
        (words("標準の値", "Proposed"), 14),
        (words("これを定める設定", "Setting that decides it"), 34),
    ];
    table(writer, &columns, rows.collect())
}

fn setting(decided: Decided, setting: Option<&str>, language: Language) -> String {
    match (decided, setting) {
        (Decided::Design, _) | (_, None) => words("プログラムの設計", "the program's design")
            .of(language)
            .to_owned(),
        (_, Some(setting)) => setting.to_owned(),
    }
}

fn options(writer: &Writer<'_>) -> Vec<Block> {
    let language = writer.language;
    let rows = writer.regulation.options().map(|option| {
        let on = writer.facts.choices.is_on(&option.key);
        let said = if on {
            words("該当する", "yes")
        } else {
            words("該当しない", "no")
        };
        vec![
            option.condition.of(language).to_owned(),
            said.of(language).to_owned(),
            option.reason.of(language).to_owned(),
            setting(option.decided, option.setting.as_deref(), language),
        ]
    });
    let columns = [
        (words("条件", "Condition"), 32),
        (words("該当", "Applies"), 11),
        (words("判断の根拠", "Why"), 31),
        (words("これを定める設定", "Setting that decides it"), 26),
    ];
    table(writer, &columns, rows.collect())
}

fn assumptions(writer: &Writer<'_>) -> Vec<Block> {
    let language = writer.language;
    let chapters = writer.regulation.catalogues().iter();
    let chapters = chapters.flat_map(|one| &one.chapters);
    let given = chapters.filter(|chapter| chapter.number == ASSUMPTIONS);
    let clauses = given
        .flat_map(|chapter| &chapter.sections)
        .flat_map(|section| &section.clauses);
    let rows = clauses.map(|clause| {
        vec![
            clause.id.clone(),
            writer.demand(clause),
            standing(writer.facts, clause, language),
            methods(clause, language),
        ]
    });
    let columns = [
        (words("目録番号", "Id"), 16),
        (words("前提", "Assumption"), 34),
        (words("状況", "Standing"), 14),
        (
            words("これを成り立たせる方法", "How the server provides it"),
            36,
        ),
    ];
    table(writer, &columns, rows.collect())
}

fn ways(writer: &Writer<'_>) -> Vec<Block> {
    let language = writer.language;
    let rows = writer.regulation.clauses().filter_map(|clause| {
        let place = writer.numbers.clause(&clause.id)?;
        if !clause.is_duty() || clause.ways.is_empty() {
            return None;
        }
        let schedule = writer.facts.choices.schedule(clause);
        let mut which = format!("{}\n{}", clause.id, place.citation(language));
        if clause.obligation != crate::Obligation::Must {
            which.push('\n');
            which.push_str(words::obligation(clause.obligation).of(language));
        }
        Some(vec![
            which,
            clause.title.of(language).to_owned(),
            words::schedule(schedule, language),
            standing(writer.facts, clause, language),
            methods(clause, language),
        ])
    });
    let columns = [
        (words("条項", "Clause"), 17),
        (words("要旨", "In short"), 16),
        (words("時期", "When"), 9),
        (words("状況", "Standing"), 21),
        (words("遵守の方法", "How it is met"), 37),
    ];
    table(writer, &columns, rows.collect())
}

fn methods(clause: &Clause, language: Language) -> String {
    let ways = clause.ways.iter().map(|way| {
        let kind = words::way(way.way).of(language);
        match language {
            Language::Ja => format!("【{kind}】{}", way.text.ja),
            Language::En => format!("[{kind}] {}", way.text.en),
        }
    });
    ways.collect::<Vec<_>>().join("\n")
}

/// How a clause stands, since when, last seen when, and why.
fn standing(facts: &SiteFacts, clause: &Clause, language: Language) -> String {
    let Some(standing) = facts.standings.get(&clause.id) else {
        return words::NOT_ASSESSED.of(language).to_owned();
    };
    let Standing {
        mark,
        since,
        seen,
        note,
    } = standing;
    let mut lines = vec![words::mark(*mark).of(language).to_owned()];
    // In numbers: a column is narrow.
    let day = |at: jiff::Timestamp| at.to_zoned(facts.time_zone.clone()).date();
    if let Some(since) = since {
        lines.push(match language {
            Language::Ja => format!("{}から", day(*since)),
            Language::En => format!("since {}", day(*since)),
        });
    }
    if let Some(seen) = seen {
        lines.push(match language {
            Language::Ja => format!("最終確認 {}", day(*seen)),
            Language::En => format!("last seen {}", day(*seen)),
        });
    }
    if let Some(note) = note {
        lines.push(note.of(language).to_owned());
    }
    lines.join("\n")
}

fn left_out(writer: &Writer<'_>) -> Vec<Block> {
    let language = writer.language;
    let choices = &writer.facts.choices;
    let clauses = writer.regulation.clauses();
    let out = clauses.filter(|clause| {
        clause.kind == Kind::Duty && !is_adopted(writer.regulation, choices, clause)
    });
    let rows = out.map(|clause| {
        let off = clause.option.as_deref().filter(|key| !choices.is_on(key));
        let option = off.and_then(|key| writer.regulation.option(key));
        let why = option.map_or_else(
            || words("これを構成する条項がない", "nothing of it is left").of(language),
            |option| option.condition.of(language),
        );
        vec![
            clause.id.clone(),
            clause.title.of(language).to_owned(),
            words::NOT_ADOPTED.of(language).to_owned(),
            why.to_owned(),
        ]
    });
    let columns = [
        (words("目録番号", "Id"), 16),
        (words("要旨", "In short"), 32),
        (words("扱い", "Standing"), 14),
        (words("該当しない条件", "Condition that does not apply"), 38),
    ];
    table(writer, &columns, rows.collect())
}

fn slips(writer: &Writer<'_>) -> Vec<Block> {
    let language = writer.language;
    let catalogues = writer.regulation.catalogues().iter();
    let rows = catalogues
        .flat_map(|one: &Catalogue| &one.slips)
        .map(|slip| {
            vec![
                slip.place.clone(),
                slip.what.of(language).to_owned(),
                slip.reading.of(language).to_owned(),
            ]
        });
    let columns = [
        (words("箇所", "Where"), 14),
        (words("疑義", "What is doubtful"), 46),
        (words("読み方", "How it is read"), 40),
    ];
    table(writer, &columns, rows.collect())
}

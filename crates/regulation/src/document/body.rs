//! The chapters.

use super::{
    Block, Marked,
    number::{Numbers, adopted, chapters},
    words::{self, words},
};
use crate::{Chapter, Clause, Kind, Language, Obligation, Regulation, Section, SiteFacts, wording};

/// What a document is written from.
pub(super) struct Writer<'a> {
    pub(super) regulation: &'a Regulation,
    pub(super) facts: &'a SiteFacts,
    pub(super) language: Language,
    pub(super) numbers: &'a Numbers,
}

impl Writer<'_> {
    pub(super) fn chapters(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut number = 0;
        for chapter in chapters(self.regulation) {
            let articles: Vec<&Section> = chapter
                .sections
                .iter()
                .filter(|section| self.numbers.article(&section.id).is_some())
                .collect();
            if articles.is_empty() {
                continue;
            }
            number += 1;
            self.chapter(&mut blocks, chapter, number);
            for section in articles {
                self.section(&mut blocks, section);
            }
        }
        blocks
    }

    fn chapter(&self, blocks: &mut Vec<Block>, chapter: &Chapter, number: u32) {
        let title = chapter.title.of(self.language);
        blocks.push(Block::Heading {
            level: 1,
            text: match self.language {
                Language::Ja => format!("第{number}章 {title}"),
                Language::En => format!("Chapter {number}: {title}"),
            },
            anchor: format!("chapter-{number}"),
        });
        let role = chapter.audience.as_deref();
        if let Some(role) = role.and_then(|key| self.regulation.role(key)) {
            let title = role.title.of(self.language);
            blocks.push(self.plain(match self.language {
                Language::Ja => format!("本章は、{title}が行うべき事項を定める。"),
                Language::En => format!("This chapter is addressed to the {title}."),
            }));
        }
    }

    fn section(&self, blocks: &mut Vec<Block>, section: &Section) {
        let title = section.title.of(self.language);
        let article = self.numbers.article(&section.id).unwrap_or_default();
        blocks.push(Block::Heading {
            level: 2,
            text: match self.language {
                Language::Ja => format!("第{article}条（{title}）"),
                Language::En => format!("Article {article} ({title})"),
            },
            anchor: format!("article-{article}"),
        });
        let clauses = adopted(self.regulation, &self.facts.choices, section);
        for clause in &clauses {
            blocks.push(self.clause(clause));
        }
    }

    fn clause(&self, clause: &Clause) -> Block {
        let place = self.numbers.clause(&clause.id);
        let demand = self.demand(clause);
        let alone = place.is_some_and(|place| place.paragraph.is_none() && place.items.is_empty());
        let text = match (clause.kind, self.language) {
            // What is defined stands before what it means, unless the article is about nothing else.
            (Kind::Definition, Language::Ja) if !alone => {
                format!("「{}」 {demand}", clause.title.ja)
            }
            (Kind::Definition, Language::En) if !alone => {
                format!("“{}”: {demand}", clause.title.en)
            }
            _ => demand,
        };
        Block::Paragraph {
            depth: place.map_or(0, super::number::Place::depth),
            label: place.map_or_else(String::new, |place| place.label(self.language)),
            text,
            mark: clause.is_duty().then(|| self.mark(clause)),
        }
    }

    /// What it demands, with values and references in place.
    pub(super) fn demand(&self, clause: &Clause) -> String {
        let text = clause.demand.of(self.language);
        let choices = &self.facts.choices;
        wording::fill(text, choices, self.language, &|id| {
            let here = self.numbers.citation(id, self.language);
            here.or_else(|| Some(wording::citation(id)))
        })
    }

    /// The clause's id, and how it stands.
    fn mark(&self, clause: &Clause) -> Marked {
        let standing = self.facts.standings.get(&clause.id);
        let leads = clause.ways.is_empty();
        let mut said = match standing {
            Some(standing) => words::mark(standing.mark).of(self.language).to_owned(),
            // What only leads in to items stands as they do.
            None if leads => words("各号による", "by its items")
                .of(self.language)
                .to_owned(),
            None => words::NOT_ASSESSED.of(self.language).to_owned(),
        };
        if clause.obligation == Obligation::Should {
            let should = words("努力事項", "should");
            said = format!("{}、{said}", should.of(self.language));
            if self.language == Language::En {
                said = said.replace('、', ", ");
            }
        }
        Marked {
            id: clause.id.clone(),
            said,
            broken: standing.is_some_and(|standing| standing.mark == crate::Mark::NotMet),
        }
    }

    /// A paragraph that is no clause.
    pub(super) fn plain(&self, text: impl Into<String>) -> Block {
        Block::Paragraph {
            depth: 0,
            label: String::new(),
            text: text.into(),
            mark: None,
        }
    }
}

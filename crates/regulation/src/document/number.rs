//! Numbers of chapters, articles, paragraphs and items, over what the site has adopted.

use std::collections::HashMap;

use crate::{Chapter, Choices, Clause, Kind, Language, Regulation, Section};

/// The number of everything that is in the document.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Articles, by the ids of their sections.
    articles: HashMap<String, u32>,
    /// Clauses and items, by id.
    clauses: HashMap<String, Place>,
}

/// Where a clause is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) article: u32,
    /// The paragraph; absent if the article has one only.
    pub(super) paragraph: Option<u32>,
    /// The numbers of the item and of the item in it.
    pub(super) items: Vec<u32>,
}

/// The chapter of assumptions, which become an annex.
pub(super) const ASSUMPTIONS: u32 = 0;

impl Numbers {
    pub(super) fn of(regulation: &Regulation, choices: &Choices) -> Self {
        let mut made = Self::default();
        let mut article = 0;
        for section in sections(regulation) {
            let adopted = adopted(regulation, choices, section);
            if adopted.is_empty() {
                continue;
            }
            article += 1;
            made.articles.insert(section.id.clone(), article);
            made.number_section(&adopted, article);
        }
        made
    }

    fn number_section(&mut self, clauses: &[&Clause], article: u32) {
        let top = clauses.iter().filter(|one| one.parent().is_none()).count();
        let mut paragraph = 0;
        let mut counts: HashMap<&str, u32> = HashMap::new();
        for clause in clauses {
            let place = match clause.parent() {
                None => {
                    paragraph += 1;
                    Place {
                        article,
                        paragraph: (top > 1).then_some(paragraph),
                        items: Vec::new(),
                    }
                }
                Some(parent) => {
                    let Some(mut place) = self.clauses.get(parent).cloned() else {
                        continue;
                    };
                    let count = counts.entry(parent).or_default();
                    *count += 1;
                    place.items.push(*count);
                    place
                }
            };
            self.clauses.insert(clause.id.clone(), place);
        }
    }

    pub(super) fn article(&self, section: &str) -> Option<u32> {
        self.articles.get(section).copied()
    }

    pub(super) fn clause(&self, id: &str) -> Option<&Place> {
        self.clauses.get(id)
    }

    /// A clause or section as the document cites it: `Article 7, paragraph 5`.
    pub(super) fn citation(&self, id: &str, language: Language) -> Option<String> {
        if let Some(article) = self.article(id) {
            return Some(match language {
                Language::Ja => format!("第{article}条"),
                Language::En => format!("Article {article}"),
            });
        }
        Some(self.clause(id)?.citation(language))
    }
}

impl Place {
    pub(super) fn citation(&self, language: Language) -> String {
        let mut said = match language {
            Language::Ja => format!("第{}条", self.article),
            Language::En => format!("Article {}", self.article),
        };
        if let Some(paragraph) = self.paragraph {
            said.push_str(&match language {
                Language::Ja => format!("第{paragraph}項"),
                Language::En => format!(", paragraph {paragraph}"),
            });
        }
        for (depth, item) in self.items.iter().enumerate() {
            match (language, depth) {
                (Language::Ja, 0) => said.push_str(&format!("第{item}号")),
                (Language::En, 0) => {
                    said.push_str(&format!(", item {}", label(language, 1, *item)));
                }
                _ => said.push_str(&label(language, 2, *item)),
            }
        }
        said
    }

    /// What stands before it.
    pub(super) fn label(&self, language: Language) -> String {
        match self.items.as_slice() {
            [] => self
                .paragraph
                .map_or_else(String::new, |number| label(language, 0, number)),
            items => {
                let last = items.last().copied().unwrap_or(1);
                label(language, u8::try_from(items.len()).unwrap_or(2), last)
            }
        }
    }

    pub(super) fn depth(&self) -> u8 {
        u8::try_from(self.items.len()).unwrap_or(2).min(2)
    }
}

const KANA: [&str; 20] = [
    "ア", "イ", "ウ", "エ", "オ", "カ", "キ", "ク", "ケ", "コ", "サ", "シ", "ス", "セ", "ソ", "タ",
    "チ", "ツ", "テ", "ト",
];
const ROMAN: [&str; 20] = [
    "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv",
    "xvi", "xvii", "xviii", "xix", "xx",
];

/// The label of the `number`th at a depth.
pub(super) fn label(language: Language, depth: u8, number: u32) -> String {
    let at = usize::try_from(number).unwrap_or(1).saturating_sub(1);
    match (language, depth) {
        (Language::Ja, 0) => number.to_string(),
        (Language::En, 0) => format!("{number}."),
        (Language::Ja, 1) => format!("（{number}）"),
        (Language::En, 1) => match u8::try_from(at).ok().filter(|at| *at < 26) {
            Some(at) => format!("({})", char::from(b'a' + at)),
            None => format!("({number})"),
        },
        (Language::Ja, _) => KANA
            .get(at)
            .map_or_else(|| number.to_string(), |&kana| kana.to_owned()),
        (Language::En, _) => {
            let roman = ROMAN.get(at);
            format!(
                "({})",
                roman.map_or(number.to_string(), |&one| one.to_owned())
            )
        }
    }
}

/// The chapters of the document's body.
pub(super) fn chapters(regulation: &Regulation) -> impl Iterator<Item = &Chapter> {
    let catalogues = regulation.catalogues().iter();
    let all = catalogues.flat_map(|one| &one.chapters);
    all.filter(|chapter| chapter.number != ASSUMPTIONS)
}

fn sections(regulation: &Regulation) -> impl Iterator<Item = &Section> {
    chapters(regulation).flat_map(|chapter| &chapter.sections)
}

/// What of a section is in the document: clauses that the site has adopted, but none that only leads in to items of which none is.
pub(super) fn adopted<'a>(
    regulation: &Regulation,
    choices: &Choices,
    section: &'a Section,
) -> Vec<&'a Clause> {
    let clauses = section.clauses.iter();
    clauses
        .filter(|clause| is_adopted(regulation, choices, clause))
        .collect()
}

pub(super) fn is_adopted(regulation: &Regulation, choices: &Choices, clause: &Clause) -> bool {
    if !choices.demands(regulation, clause) {
        return false;
    }
    if clause.kind != Kind::Duty || !clause.ways.is_empty() {
        return true;
    }
    regulation
        .items(&clause.id)
        .any(|item| is_adopted(regulation, choices, item))
}

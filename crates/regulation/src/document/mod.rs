//! The site's own regulation: made of the catalogues, what the site has chosen, and how each clause stands.
//!
//! What is not adopted is left out and what is left is numbered anew, as an office numbers its regulations (chapter, article,
//! paragraph, item); each clause carries its id in the catalogue, which does not change.

mod annex;
mod body;
mod html;
mod markdown;
mod number;
mod pdf;
mod words;

use crate::{Language, Regulation, SiteFacts};

/// A document, before it has a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The language that it is in.
    pub language: Language,
    /// Whose it is.
    pub organisation: String,
    /// What it is called.
    pub title: String,
    /// Edition, date and what it was made from, a line each.
    pub imprint: Vec<String>,
    /// What the table of contents is called.
    pub contents: String,
    /// What it says, in order.
    pub blocks: Vec<Block>,
}

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading, which the table of contents names.
    Heading {
        /// 1 is a chapter or an annex, 2 an article.
        level: u8,
        /// What it says, with its number.
        text: String,
        /// A name for links, unique in the document.
        anchor: String,
    },
    /// A paragraph, an item, or an item of an item.
    Paragraph {
        /// 0 is a paragraph, 1 an item of it, 2 an item of that.
        depth: u8,
        /// Its number, as `(1)`; may be empty.
        label: String,
        /// What it says.
        text: String,
        /// The clause's id, and how it is met; absent for what is no clause.
        mark: Option<Marked>,
    },
    /// A table.
    Table {
        /// What its columns are called.
        head: Vec<String>,
        /// How wide its columns are, in parts of a hundred.
        widths: Vec<u8>,
        /// Its rows, each with a text for each column; a line feed divides lines.
        rows: Vec<Vec<String>>,
    },
}

/// What stands beside a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The clause's id in its catalogue.
    pub id: String,
    /// How it is met, in a word.
    pub said: String,
    /// Whether it is known not to be met.
    pub broken: bool,
}

impl Document {
    /// The site's regulation in `language`.
    #[must_use]
    pub fn regulation(regulation: &Regulation, facts: &SiteFacts, language: Language) -> Self {
        let numbers = number::Numbers::of(regulation, &facts.choices);
        let writer = body::Writer {
            regulation,
            facts,
            language,
            numbers: &numbers,
        };
        let mut blocks = writer.chapters();
        blocks.extend(annex::all(&writer));
        Self {
            language,
            organisation: facts.organisation.clone(),
            title: words::title(regulation, language),
            imprint: words::imprint(regulation, facts, language),
            contents: words::CONTENTS.of(language).to_owned(),
            blocks,
        }
    }

    /// As a page that needs nothing else: no scripts, no fonts, no pictures; it prints well.
    #[must_use]
    pub fn html(&self) -> String {
        html::render(self)
    }

    /// As Markdown (CommonMark with tables).
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// As PDF on A4. Type is not embedded: a reader's own Japanese font is used (Adobe-Japan1).
    #[must_use]
    pub fn pdf(&self) -> Vec<u8> {
        pdf::render(self)
    }
}

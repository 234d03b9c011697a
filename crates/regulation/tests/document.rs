//! The site's own regulation, as people read it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use regulation::{Document, Language, Regulation, document::Block};

/// All that the articles say, without the annexes.
fn articles(document: &Document) -> Vec<&Block> {
    let annex = |block: &&Block| match block {
        Block::Heading { anchor, .. } => !anchor.starts_with("annex-"),
        _ => true,
    };
    document.blocks.iter().take_while(annex).collect()
}

fn ids(document: &Document) -> Vec<&str> {
    let mark = |block: &&Block| matches!(block, Block::Paragraph { mark: Some(_), .. });
    let marked = articles(document).into_iter().filter(mark);
    marked
        .filter_map(|block| match block {
            Block::Paragraph {
                mark: Some(mark), ..
            } => Some(mark.id.as_str()),
            _ => None,
        })
        .collect()
}

#[test]
fn what_is_adopted_is_there_once_and_what_is_not_is_told() {
    let regulation = Regulation::built_in().unwrap();
    let facts = support::site(&regulation);
    let document = Document::regulation(&regulation, &facts, Language::Ja);
    let there = ids(&document);
    for clause in regulation.clauses().filter(|clause| clause.is_duty()) {
        let times = there.iter().filter(|id| **id == clause.id).count();
        let adopted = facts.choices.demands(&regulation, clause);
        assert_eq!(times, usize::from(adopted), "{}", clause.id);
    }
    let markdown = document.markdown();
    assert!(
        markdown.contains("| 4.1-2-a | 盗聴の危険 | 不採用 |"),
        "{markdown}"
    );
}

#[test]
fn numbers_follow_what_is_left_and_references_follow_the_numbers() {
    let regulation = Regulation::built_in().unwrap();
    let mut facts = support::site(&regulation);
    let whole = Document::regulation(&regulation, &facts, Language::En).markdown();
    assert!(whole.contains("see Article 8 and Article 13"), "{whole}");
    assert!(
        whole.contains("the care that Article 6, paragraph 5 asks for"),
        "{whole}"
    );
    for key in ["availability-monitoring", "storage-monitoring"] {
        facts
            .choices
            .choose_option(&regulation, key, false)
            .unwrap();
    }
    let less = Document::regulation(&regulation, &facts, Language::En).markdown();
    assert!(less.contains("see Article 7 and Article 11"), "{less}");
    let ja = Document::regulation(&regulation, &facts, Language::Ja).markdown();
    assert!(ja.contains("第6条第5項に準ずる"), "{ja}");
    assert!(!ja.contains('{') && !less.contains('{'));
}

#[test]
fn a_standing_is_told_where_the_clause_is() {
    let regulation = Regulation::built_in().unwrap();
    let facts = support::site(&regulation);
    let markdown = Document::regulation(&regulation, &facts, Language::En).markdown();
    for said in [
        "*[4.3-2-a: not met]*",
        "*[5.2-3: unknown]*",
        "*[9.1-1: not yet assessed]*",
        "*[7.1-6: met by design]*",
        "*[5.2-6: should, met by design]*",
    ] {
        assert!(markdown.contains(said), "{said}");
    }
}

/// Names come from people: none of them is markup.
#[test]
fn what_a_site_says_is_text() {
    let regulation = Regulation::built_in().unwrap();
    let facts = support::site(&regulation);
    let document = Document::regulation(&regulation, &facts, Language::Ja);
    let html = document.html();
    assert!(html.contains("例示市 &amp; 町") && html.contains("管理 &lt;太郎&gt;"));
    assert!(html.contains("理由 &lt;&amp;&gt;") && !html.contains("<太郎>"));
    let english = Document::regulation(&regulation, &facts, Language::En).markdown();
    assert!(english.contains("because \\<\\&\\> of \\| it"), "{english}");
}

#[test]
fn the_same_facts_make_the_same_document() {
    let regulation = Regulation::built_in().unwrap();
    let facts = support::site(&regulation);
    for language in Language::ALL {
        let one = Document::regulation(&regulation, &facts, language);
        let other = Document::regulation(&regulation, &facts, language);
        assert_eq!(one.html(), other.html());
        assert_eq!(one.pdf(), other.pdf());
        let pdf = one.pdf();
        assert!(pdf.starts_with(b"%PDF-1.7") && pdf.trim_ascii_end().ends_with(b"%%EOF"));
    }
}

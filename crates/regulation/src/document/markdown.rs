//! As Markdown.

use super::{Block, Document};

pub(super) fn render(document: &Document) -> String {
    let mut lines = vec![
        format!("# {}", plain(&document.title)),
        String::new(),
        plain(&document.organisation),
        String::new(),
    ];
    for line in &document.imprint {
        lines.push(format!("- {}", plain(line)));
    }
    lines.extend([
        String::new(),
        format!("## {}", document.contents),
        String::new(),
    ]);
    for block in &document.blocks {
        if let Block::Heading {
            level,
            text,
            anchor,
        } = block
        {
            let indent = "  ".repeat(usize::from(level.saturating_sub(1)));
            lines.push(format!("{indent}- [{}](#{anchor})", plain(text)));
        }
    }
    for block in &document.blocks {
        lines.push(String::new());
        write(&mut lines, block);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn write(lines: &mut Vec<String>, block: &Block) {
    match block {
        Block::Heading {
            level,
            text,
            anchor,
        } => {
            lines.push(format!("<a id=\"{anchor}\"></a>"));
            lines.push(String::new());
            let marks = "#".repeat(usize::from(*level) + 1);
            lines.push(format!("{marks} {}", plain(text)));
        }
        Block::Paragraph {
            depth,
            label,
            text,
            mark,
        } => {
            let indent = "> ".repeat(usize::from(*depth));
            let mut line = indent;
            if !label.is_empty() {
                line.push_str(&plain(label));
                line.push(' ');
            }
            line.push_str(&plain(text));
            if let Some(mark) = mark {
                line.push_str(&format!(" *[{}: {}]*", mark.id, plain(&mark.said)));
            }
            lines.push(line);
        }
        Block::Table { head, rows, .. } => {
            lines.push(row(head));
            lines.push(row(&vec!["---".to_owned(); head.len()]));
            lines.extend(rows.iter().map(|cells| row(cells)));
        }
    }
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| match cell.as_str() {
            "---" => cell.clone(),
            text => plain(text).replace('\n', "<br>"),
        })
        .collect();
    format!("| {} |", cells.join(" | "))
}

/// Text in which nothing is taken for markup.
fn plain(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let mark = "\\`*_[]<>|#&~".contains(letter);
        let first = made.is_empty();
        let ends_word = letters.peek().is_none_or(|next| *next == ' ');
        let digits = !first && made.bytes().all(|octet| octet.is_ascii_digit());
        // What would begin a list: `- ` and `1. `.
        let list = ends_word && ((first && "-+".contains(letter)) || (digits && letter == '.'));
        if mark || list {
            made.push('\\');
        }
        made.push(letter);
    }
    made
}

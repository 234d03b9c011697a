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
    let mut at_start = true;
    for letter in text.chars() {
        let marks = matches!(
            letter,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&' | '~'
        );
        // What would begin a list: `1.` and `-`.
        if marks || (at_start && matches!(letter, '-' | '+')) {
            made.push('\\');
        }
        if letter == '.' && made.bytes().all(|octet| octet.is_ascii_digit()) && !made.is_empty() {
            made.push('\\');
        }
        made.push(letter);
        at_start = false;
    }
    made
}

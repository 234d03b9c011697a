//! As a page of HTML.

use super::{Block, Document};

/// For screen and paper alike.
const STYLE: &str = "
:root { color-scheme: light; }
body { max-width: 46em; margin: 2em auto; padding: 0 1em; line-height: 1.7; color: #111; background: #fff;
  font-family: \"Hiragino Kaku Gothic ProN\", \"Yu Gothic\", Meiryo, \"Noto Sans CJK JP\", IPAGothic, sans-serif; }
header { text-align: center; margin: 4em 0 3em; }
h1 { font-size: 1.7em; line-height: 1.4; }
header .organisation { font-size: 1.15em; }
header ul { list-style: none; padding: 0; color: #444; font-size: .9em; }
nav ol { list-style: none; padding-left: 0; }
nav li.level-2 { padding-left: 2em; }
nav a { color: inherit; text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
h2 { font-size: 1.3em; border-bottom: 1px solid #888; margin-top: 2.2em; }
h3 { font-size: 1.05em; margin-bottom: .3em; }
p { margin: .45em 0; }
p.clause { display: flex; gap: .6em; }
p.clause > b { font-weight: normal; flex: none; min-width: 1.6em; }
p.depth-1 { margin-left: 2.2em; }
p.depth-2 { margin-left: 4.4em; }
small { color: #555; white-space: nowrap; margin-left: .4em; }
small.broken { color: #a00000; font-weight: bold; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; font-size: .85em; line-height: 1.5; margin: 1em 0; }
th, td { border: 1px solid #888; padding: .35em .5em; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { background: #eee; }
@page { size: A4; margin: 22mm 20mm; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 10pt; }
  header { margin: 60mm 0 0; }
  nav, h2.part { break-before: page; }
  h2, h3 { break-after: avoid; }
  p.clause, tr { break-inside: avoid; }
  thead { display: table-header-group; }
}
";

pub(super) fn render(document: &Document) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{} {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        document.language.code(),
        escape(&document.organisation),
        escape(&document.title),
    );
    page.push_str(&format!(
        "<header>\n<p class=\"organisation\">{}</p>\n<h1>{}</h1>\n<ul>\n",
        escape(&document.organisation),
        escape(&document.title)
    ));
    for line in &document.imprint {
        page.push_str(&format!("<li>{}</li>\n", escape(line)));
    }
    page.push_str(&format!(
        "</ul>\n</header>\n<nav>\n<h2>{}</h2>\n<ol>\n",
        escape(&document.contents)
    ));
    for block in &document.blocks {
        if let Block::Heading {
            level,
            text,
            anchor,
        } = block
        {
            page.push_str(&format!(
                "<li class=\"level-{level}\"><a href=\"#{}\">{}</a></li>\n",
                escape(anchor),
                escape(text)
            ));
        }
    }
    page.push_str("</ol>\n</nav>\n<main>\n");
    let mut first = true;
    for block in &document.blocks {
        write(&mut page, block, first);
        first = false;
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn write(page: &mut String, block: &Block, first: bool) {
    match block {
        Block::Heading {
            level: 1,
            text,
            anchor,
        } => {
            // The body, and each annex, begins on a page of its own when it is printed.
            let part = first || anchor.starts_with("annex-");
            page.push_str(&format!(
                "<h2 id=\"{}\"{}>{}</h2>\n",
                escape(anchor),
                if part { " class=\"part\"" } else { "" },
                escape(text)
            ));
        }
        Block::Heading { text, anchor, .. } => {
            page.push_str(&format!(
                "<h3 id=\"{}\">{}</h3>\n",
                escape(anchor),
                escape(text)
            ));
        }
        Block::Paragraph {
            depth,
            label,
            text,
            mark,
        } => {
            page.push_str(&format!("<p class=\"clause depth-{depth}\">"));
            if !label.is_empty() {
                page.push_str(&format!("<b>{}</b>", escape(label)));
            }
            page.push_str(&format!("<span>{}", escape(text)));
            if let Some(mark) = mark {
                page.push_str(&format!(
                    " <small id=\"clause-{}\"{}>[{}: {}]</small>",
                    escape(&mark.id),
                    if mark.broken { " class=\"broken\"" } else { "" },
                    escape(&mark.id),
                    escape(&mark.said)
                ));
            }
            page.push_str("</span></p>\n");
        }
        Block::Table { head, widths, rows } => table(page, head, widths, rows),
    }
}

fn table(page: &mut String, head: &[String], widths: &[u8], rows: &[Vec<String>]) {
    page.push_str("<table>\n<colgroup>");
    for width in widths {
        page.push_str(&format!("<col style=\"width: {width}%\">"));
    }
    page.push_str("</colgroup>\n<thead><tr>");
    for cell in head {
        page.push_str(&format!("<th scope=\"col\">{}</th>", escape(cell)));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        page.push_str("<tr>");
        for cell in row {
            let cell = escape(cell).replace('\n', "<br>");
            page.push_str(&format!("<td>{cell}</td>"));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
}

fn escape(text: &str) -> String {
    let mut made = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '&' => made.push_str("&amp;"),
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '"' => made.push_str("&quot;"),
            '\'' => made.push_str("&#39;"),
            // What is no text (control characters) has no place in a page.
            other if other.is_control() && other != '\n' => {}
            other => made.push(other),
        }
    }
    made
}

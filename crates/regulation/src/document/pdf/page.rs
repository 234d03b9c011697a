//! Putting blocks on pages.

use pdf_writer::{Content, Name, Str, types::TextRenderingMode};

use super::text::{Script, lines, runs, width};
use crate::document::Block;

/// Points of a millimetre.
pub(super) const MM: f32 = 72.0 / 25.4;
/// A4, in points.
pub(super) const WIDTH: f32 = 210.0 * MM;
pub(super) const HEIGHT: f32 = 297.0 * MM;
/// Where text is, in points.
pub(super) const LEFT: f32 = 25.0 * MM;
pub(super) const RIGHT: f32 = WIDTH - 22.0 * MM;
pub(super) const TOP: f32 = 26.0 * MM;
pub(super) const BOTTOM: f32 = HEIGHT - 24.0 * MM;

pub(super) const LATIN: Name<'static> = Name(b"Latin");
pub(super) const JAPANESE: Name<'static> = Name(b"Japanese");

/// Size of text in paragraphs and in tables.
const BODY: f32 = 10.0;
const CELL: f32 = 8.0;
/// From one line to the next, in sizes.
const LEADING: f32 = 1.6;
const CELL_LEADING: f32 = 1.4;
/// Between a table's lines and its text.
const PADDING: f32 = 3.0;
/// How far each depth is set in.
const INDENT: f32 = 8.0 * MM;

/// A page under way. Places are in points from its upper left corner.
pub(super) struct Page(pub(super) Content);

impl Page {
    pub(super) fn new() -> Self {
        Self(Content::new())
    }

    pub(super) fn text(&mut self, (x, y): (f32, f32), size: f32, text: &str, style: Style) {
        let mut x = x;
        self.0
            .set_fill_gray(style.gray)
            .set_stroke_gray(style.gray)
            // How much bolder bold is.
            .set_line_width(size * 0.03);
        for run in runs(text) {
            let font = match run.script {
                Script::Latin => LATIN,
                Script::Japanese => JAPANESE,
            };
            let mode = if style.bold {
                TextRenderingMode::FillStroke
            } else {
                TextRenderingMode::Fill
            };
            self.0
                .begin_text()
                .set_font(font, size)
                .set_text_rendering_mode(mode)
                .next_line(x, HEIGHT - y)
                .show(Str(&run.octets))
                .end_text();
            x += points(run.width, size);
        }
    }

    /// Text that ends at `right`.
    pub(super) fn text_to(&mut self, (right, y): (f32, f32), size: f32, text: &str, style: Style) {
        self.text((right - points(width(text), size), y), size, text, style);
    }

    /// Text in the middle of the page.
    pub(super) fn centred(&mut self, y: f32, size: f32, text: &str, style: Style) {
        let x = (WIDTH - points(width(text), size)) / 2.0;
        self.text((x, y), size, text, style);
    }

    fn cell(&mut self, (x, y): (f32, f32), (w, h): (f32, f32), shaded: bool) {
        if shaded {
            self.0
                .set_fill_gray(0.92)
                .rect(x, HEIGHT - y - h, w, h)
                .fill_nonzero();
        }
        self.0
            .set_stroke_gray(0.5)
            .set_line_width(0.4)
            .rect(x, HEIGHT - y - h, w, h)
            .stroke();
    }
}

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) bold: bool,
    /// 0 is black.
    pub(super) gray: f32,
}

pub(super) const PLAIN: Style = Style {
    bold: false,
    gray: 0.0,
};
pub(super) const BOLD: Style = Style {
    bold: true,
    gray: 0.0,
};
pub(super) const PALE: Style = Style {
    bold: false,
    gray: 0.4,
};

/// Points that so many thousandths of a size are.
#[allow(clippy::cast_precision_loss)] // a line has a few thousand thousandths, far below what f32 tells apart
pub(super) fn points(thousandths: u32, size: f32) -> f32 {
    thousandths as f32 * size / 1000.0
}

/// Thousandths of a size that so many points are.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a width on a page, never negative
pub(super) fn thousandths(points: f32, size: f32) -> u32 {
    (points.max(0.0) * 1000.0 / size) as u32
}

/// A heading, and where it came to be.
pub(super) struct Placed {
    pub(super) level: u8,
    pub(super) text: String,
    /// The page, from 0.
    pub(super) page: usize,
    /// From the page's upper edge, in points.
    pub(super) y: f32,
}

/// Pages with blocks on them.
pub(super) struct Layout {
    full: Vec<Page>,
    current: Page,
    headings: Vec<Placed>,
    y: f32,
}

impl Layout {
    pub(super) fn of(blocks: &[Block]) -> Self {
        let mut made = Self {
            full: Vec::new(),
            current: Page::new(),
            headings: Vec::new(),
            y: TOP,
        };
        for block in blocks {
            match block {
                Block::Heading {
                    level,
                    text,
                    anchor,
                } => made.heading(*level, text, anchor),
                Block::Paragraph {
                    depth,
                    label,
                    text,
                    mark,
                } => {
                    made.paragraph(*depth, label, text);
                    if let Some(mark) = mark {
                        let said = format!("[{}: {}]", mark.id, mark.said);
                        made.mark(*depth, &said, mark.broken);
                    }
                }
                Block::Table { head, widths, rows } => made.table(head, widths, rows),
            }
        }
        made
    }

    fn page(&mut self) -> &mut Page {
        &mut self.current
    }

    fn turn(&mut self) {
        let full = std::mem::replace(&mut self.current, Page::new());
        self.full.push(full);
        self.y = TOP;
    }

    /// All pages, in order, and the headings on them.
    pub(super) fn finish(mut self) -> (Vec<Page>, Vec<Placed>) {
        self.full.push(self.current);
        (self.full, self.headings)
    }

    /// Turns the page unless `height` more fits on it.
    fn room(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.turn();
        }
    }

    fn heading(&mut self, level: u8, text: &str, anchor: &str) {
        let size = if level == 1 { 14.0 } else { 11.0 };
        let annex = anchor.starts_with("annex-");
        if annex && self.y > TOP {
            self.turn();
        }
        if self.y > TOP {
            self.y += if level == 1 { 22.0 } else { 12.0 };
        }
        // It does not stand alone at a page's foot.
        self.room(size * LEADING + 4.0 * BODY * LEADING);
        let (page, y) = (self.full.len(), self.y);
        self.headings.push(Placed {
            level,
            text: text.to_owned(),
            page,
            y,
        });
        for line in lines(text, thousandths(RIGHT - LEFT, size)) {
            self.y += size;
            let y = self.y;
            self.page().text((LEFT, y), size, &line, BOLD);
            self.y += size * (LEADING - 1.0);
        }
        self.y += 2.0;
    }

    fn paragraph(&mut self, depth: u8, label: &str, text: &str) {
        let left = LEFT + f32::from(depth) * INDENT;
        let inner = if label.is_empty() {
            left
        } else {
            left + INDENT
        };
        let mut label = label;
        let all = lines(text, thousandths(RIGHT - inner, BODY));
        let count = all.len();
        for (at, line) in all.iter().enumerate() {
            // The first two lines stay together.
            let keep = if at == 0 && count > 1 { 2.0 } else { 1.0 };
            self.room(keep * BODY * LEADING);
            self.y += BODY;
            let y = self.y;
            let page = self.page();
            if !label.is_empty() {
                page.text((left, y), BODY, label, PLAIN);
                label = "";
            }
            page.text((inner, y), BODY, line, PLAIN);
            self.y += BODY * (LEADING - 1.0);
        }
    }

    /// The clause's id and standing, under its text at the right.
    fn mark(&mut self, depth: u8, said: &str, broken: bool) {
        const SIZE: f32 = 7.5;
        let style = if broken { BOLD } else { PALE };
        let left = LEFT + f32::from(depth) * INDENT;
        for line in lines(said, thousandths(RIGHT - left, SIZE)) {
            self.room(SIZE * 1.4);
            self.y += SIZE;
            let y = self.y;
            self.page().text_to((RIGHT, y), SIZE, &line, style);
            self.y += SIZE * 0.5;
        }
        self.y += 2.0;
    }

    fn table(&mut self, head: &[String], widths: &[u8], rows: &[Vec<String>]) {
        let widths: Vec<f32> = widths
            .iter()
            .map(|width| f32::from(*width) * (RIGHT - LEFT) / 100.0)
            .collect();
        self.y += 6.0;
        let head = broken(head, &widths);
        self.room(height(&head, 0) + 4.0 * CELL * CELL_LEADING);
        self.row(&head, &widths, 0, usize::MAX, true);
        for row in rows {
            let row = broken(row, &widths);
            let mut from = 0;
            let count = row.iter().map(Vec::len).max().unwrap_or(0);
            while from < count {
                let whole = height(&row, from);
                let page = BOTTOM - TOP - height(&head, 0);
                // A row goes on to the next page whole, unless no page could hold it.
                if self.y + whole > BOTTOM && (whole <= page || self.y + 40.0 > BOTTOM) {
                    self.turn();
                    self.row(&head, &widths, 0, usize::MAX, true);
                }
                let fits = fitting(BOTTOM - self.y).max(1);
                self.row(&row, &widths, from, fits, false);
                from = from.saturating_add(fits);
            }
        }
        self.y += 6.0;
    }

    /// Draws `most` lines of each cell of a row, from the line `from`.
    fn row(
        &mut self,
        row: &[Vec<String>],
        widths: &[f32],
        from: usize,
        most: usize,
        is_head: bool,
    ) {
        let parts: Vec<Vec<&String>> = row
            .iter()
            .map(|cell| cell.iter().skip(from).take(most).collect())
            .collect();
        let count = parts.iter().map(Vec::len).max().unwrap_or(0);
        let tall = row_height(count);
        let mut x = LEFT;
        let top = self.y;
        let style = if is_head { BOLD } else { PLAIN };
        for (cell, width) in parts.iter().zip(widths) {
            let page = self.page();
            page.cell((x, top), (*width, tall), is_head);
            let mut y = top + PADDING + CELL;
            for line in cell {
                page.text((x + PADDING, y), CELL, line, style);
                y += CELL * CELL_LEADING;
            }
            x += width;
        }
        self.y += tall;
    }
}

/// A row's cells in lines.
fn broken(cells: &[String], widths: &[f32]) -> Vec<Vec<String>> {
    let pairs = cells.iter().zip(widths);
    pairs
        .map(|(cell, width)| lines(cell, thousandths(width - 2.0 * PADDING, CELL)))
        .collect()
}

fn height(row: &[Vec<String>], from: usize) -> f32 {
    let count = row.iter().map(Vec::len).max().unwrap_or(0);
    row_height(count.saturating_sub(from))
}

fn row_height(lines: usize) -> f32 {
    let lines = f32::from(u16::try_from(lines).unwrap_or(u16::MAX));
    lines * CELL * CELL_LEADING + 2.0 * PADDING
}

/// How many lines of a row fit into `height`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few dozens at most, never negative
fn fitting(height: f32) -> usize {
    ((height - 2.0 * PADDING) / (CELL * CELL_LEADING)).max(0.0) as usize
}

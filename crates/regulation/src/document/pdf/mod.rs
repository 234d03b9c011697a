//! As PDF. Type is not embedded: Latin letters are of the fonts that every reader has, Japanese ones of the reader's or printer's own
//! font (Adobe-Japan1).

mod page;
mod text;

use pdf_writer::{
    Finish, Name, Pdf, Rect, Ref, Str, TextStr,
    types::{CidFontType, FontFlags, SystemInfo},
};

use super::Document;
use page::{
    BOLD, BOTTOM, HEIGHT, JAPANESE, LATIN, LEFT, Layout, PALE, PLAIN, Page, Placed, RIGHT, TOP,
    WIDTH, points, thousandths,
};

/// From one line of the table of contents to the next.
const CONTENTS_LEADING: f32 = 17.0;

pub(super) fn render(document: &Document) -> Vec<u8> {
    let (body, headings) = Layout::of(&document.blocks).finish();
    let contents_pages = headings.len().div_ceil(contents_lines()).max(1);
    // The cover is page 1.
    let before = 1 + contents_pages;
    let mut pages = vec![cover(document)];
    pages.extend(contents(document, &headings, before));
    pages.extend(body);
    let count = pages.len();
    for (at, page) in pages.iter_mut().enumerate().skip(1) {
        let foot = format!("{} / {count}", at + 1);
        page.centred(HEIGHT - 36.0, 8.0, &foot, PALE);
        let line = format!("{} {}", document.organisation, document.title);
        let mut short = text::lines(&line, thousandths(RIGHT - LEFT, 7.5));
        if !short.is_empty() {
            page.text_to((RIGHT, 40.0), 7.5, &short.swap_remove(0), PALE);
        }
    }
    assemble(document, pages, &headings, before)
}

fn cover(document: &Document) -> Page {
    let mut page = Page::new();
    let mut y = HEIGHT * 0.27;
    for line in text::lines(&document.organisation, thousandths(RIGHT - LEFT, 15.0)) {
        page.centred(y, 15.0, &line, PLAIN);
        y += 24.0;
    }
    y += 24.0;
    for line in text::title_lines(&document.title, thousandths(RIGHT - LEFT, 21.0)) {
        page.centred(y, 21.0, &line, BOLD);
        y += 33.0;
    }
    y += 60.0;
    for line in &document.imprint {
        for line in text::lines(line, thousandths(RIGHT - LEFT, 10.5)) {
            page.centred(y, 10.5, &line, PLAIN);
            y += 18.0;
        }
        y += 4.0;
    }
    page
}

/// How many lines a page of the table of contents has.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few dozens
fn contents_lines() -> usize {
    ((BOTTOM - TOP - 40.0) / CONTENTS_LEADING) as usize
}

fn contents(document: &Document, headings: &[Placed], before: usize) -> Vec<Page> {
    let mut pages = Vec::new();
    let each: Vec<&[Placed]> = headings.chunks(contents_lines()).collect();
    for (at, some) in each.iter().enumerate() {
        let mut page = Page::new();
        let mut y = TOP + 14.0;
        if at == 0 {
            page.text((LEFT, y), 14.0, &document.contents, BOLD);
        }
        y += 32.0;
        for heading in *some {
            contents_line(&mut page, y, heading, before);
            y += CONTENTS_LEADING;
        }
        pages.push(page);
    }
    if pages.is_empty() {
        pages.push(Page::new());
    }
    pages
}

fn contents_line(page: &mut Page, y: f32, heading: &Placed, before: usize) {
    const SIZE: f32 = 10.0;
    let x = LEFT + f32::from(heading.level.saturating_sub(1)) * 18.0;
    let number = (before + heading.page + 1).to_string();
    let room = RIGHT - x - 60.0;
    let mut short = text::lines(&heading.text, thousandths(room, SIZE));
    let text = if short.is_empty() {
        String::new()
    } else {
        short.swap_remove(0)
    };
    let end = x + points(text::width(&text), SIZE);
    page.text((x, y), SIZE, &text, PLAIN);
    page.text_to((RIGHT, y), SIZE, &number, PLAIN);
    let mut dot = RIGHT - 30.0;
    while dot > end + 8.0 {
        page.text((dot, y), SIZE, ".", PALE);
        dot -= 6.0;
    }
}

/// References to the document's objects: the fixed ones, then two for each page, then one for each heading.
struct Refs {
    pages: usize,
}

impl Refs {
    const CATALOG: i32 = 1;
    const TREE: i32 = 2;
    const INFO: i32 = 3;
    const LATIN: i32 = 4;
    const JAPANESE: i32 = 5;
    const CID: i32 = 6;
    const DESCRIPTOR: i32 = 7;
    const OUTLINE: i32 = 8;
    const FIXED: usize = 8;

    fn number(at: usize) -> Ref {
        Ref::new(i32::try_from(at).unwrap_or(i32::MAX))
    }

    fn page(at: usize) -> Ref {
        Self::number(Self::FIXED + 1 + 2 * at)
    }

    fn contents(at: usize) -> Ref {
        Self::number(Self::FIXED + 2 + 2 * at)
    }

    fn heading(&self, at: usize) -> Ref {
        Self::number(Self::FIXED + 1 + 2 * self.pages + at)
    }
}

fn assemble(document: &Document, pages: Vec<Page>, headings: &[Placed], before: usize) -> Vec<u8> {
    let refs = Refs { pages: pages.len() };
    let mut pdf = Pdf::new();
    let mut catalog = pdf.catalog(Ref::new(Refs::CATALOG));
    catalog
        .pages(Ref::new(Refs::TREE))
        .lang(TextStr(document.language.code()));
    if !headings.is_empty() {
        catalog.outlines(Ref::new(Refs::OUTLINE));
    }
    catalog.finish();
    pdf.document_info(Ref::new(Refs::INFO))
        .title(TextStr(&document.title))
        .author(TextStr(&document.organisation));
    let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
    pdf.pages(Ref::new(Refs::TREE))
        .kids((0..pages.len()).map(Refs::page))
        .count(count);
    for (at, page) in pages.into_iter().enumerate() {
        let mut sheet = pdf.page(Refs::page(at));
        sheet
            .media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT))
            .parent(Ref::new(Refs::TREE))
            .contents(Refs::contents(at));
        sheet
            .resources()
            .fonts()
            .pair(LATIN, Ref::new(Refs::LATIN))
            .pair(JAPANESE, Ref::new(Refs::JAPANESE));
        sheet.finish();
        pdf.stream(Refs::contents(at), &page.0.finish());
    }
    outline(&mut pdf, &refs, headings, before);
    fonts(&mut pdf);
    pdf.finish()
}

/// What readers show beside the pages.
fn outline(pdf: &mut Pdf, refs: &Refs, headings: &[Placed], before: usize) {
    let (Some(_), Some(last)) = (headings.first(), headings.len().checked_sub(1)) else {
        return;
    };
    pdf.outline(Ref::new(Refs::OUTLINE))
        .first(refs.heading(0))
        .last(refs.heading(last))
        .count(i32::try_from(headings.len()).unwrap_or(i32::MAX));
    for (at, heading) in headings.iter().enumerate() {
        let mut item = pdf.outline_item(refs.heading(at));
        item.title(TextStr(&heading.text))
            .parent(Ref::new(Refs::OUTLINE));
        if at > 0 {
            item.prev(refs.heading(at - 1));
        }
        if at < last {
            item.next(refs.heading(at + 1));
        }
        item.dest()
            .page(Refs::page(before + heading.page))
            .xyz(0.0, HEIGHT - heading.y, None);
    }
}

fn fonts(pdf: &mut Pdf) {
    pdf.type1_font(Ref::new(Refs::LATIN))
        .base_font(Name(b"Helvetica"))
        .encoding_predefined(Name(b"WinAnsiEncoding"));
    let name = Name(b"HeiseiKakuGo-W5");
    pdf.type0_font(Ref::new(Refs::JAPANESE))
        .base_font(name)
        .encoding_predefined(Name(b"UniJIS-UTF16-H"))
        .descendant_font(Ref::new(Refs::CID));
    let mut font = pdf.cid_font(Ref::new(Refs::CID));
    font.subtype(CidFontType::Type0)
        .base_font(name)
        .system_info(SystemInfo {
            registry: Str(b"Adobe"),
            ordering: Str(b"Japan1"),
            supplement: 6,
        })
        .font_descriptor(Ref::new(Refs::DESCRIPTOR))
        .default_width(1000.0);
    font.finish();
    pdf.font_descriptor(Ref::new(Refs::DESCRIPTOR))
        .name(name)
        .flags(FontFlags::NON_SYMBOLIC)
        .bbox(Rect::new(-92.0, -250.0, 1010.0, 922.0))
        .italic_angle(0.0)
        .ascent(752.0)
        .descent(-221.0)
        .cap_height(709.0)
        .stem_v(114.0);
}

//! The sealed letter with an initial password (clause 7.1(1)c): one page of PDF, to be folded in three and put into a window
//! envelope (長形3号), with a receipt at its foot.
//!
//! The type is not embedded: Latin letters are of the fonts that every reader of PDF has, Japanese ones of the reader's or
//! printer's own Japanese font (Adobe-Japan1).

use directory::command::letter::Facts;
use jiff::tz::TimeZone;
use pdf_writer::{
    Content, Finish, Name, Pdf, Rect, Ref, Str,
    types::{CidFontType, FontFlags, SystemInfo},
};
use trail::analysis::Language;

/// Points of a millimetre.
const MM: f32 = 72.0 / 25.4;
/// A4, in millimetres.
const WIDTH: f32 = 210.0;
const HEIGHT: f32 = 297.0;
/// Where it is folded, from the top.
const FOLDS: [f32; 2] = [99.0, 198.0];
/// The left edge of the text.
const LEFT: f32 = 25.0;

const LATIN: Name<'static> = Name(b"Latin");
const FIXED: Name<'static> = Name(b"Fixed");
const JAPANESE: Name<'static> = Name(b"Japanese");

/// Draws the letter. `host` is the server's name, which mail programs are to be told, `zone` says which day it is.
pub(crate) fn draw(
    facts: &Facts,
    password: &str,
    host: &str,
    language: Language,
    zone: &TimeZone,
) -> Vec<u8> {
    let say = |en: &'static str, ja: &'static str| match language {
        Language::En => en,
        Language::Ja => ja,
    };
    let date = facts.made_at.to_zoned(zone.clone());
    let date = date.strftime("%Y-%m-%d").to_string();
    let mut page = Page(Content::new());
    page.marks();
    // What the envelope's window shows.
    let name = match language {
        Language::Ja => format!("{} 様", facts.full_name),
        Language::En => facts.full_name.clone(),
    };
    page.line(LEFT, 35.0, 13.0, &name);
    page.line(
        LEFT,
        43.0,
        9.0,
        say("Confidential: to be opened by the addressee only", "親展"),
    );
    page.line(
        140.0,
        25.0,
        9.0,
        &format!("{} {}", say("Letter", "書状番号"), facts.number),
    );
    page.line(140.0, 31.0, 9.0, &date);
    // Inside when it is folded.
    page.line(
        LEFT,
        112.0,
        13.0,
        say("Your mail account", "メールアカウントの通知"),
    );
    page.line(
        LEFT,
        124.0,
        10.0,
        say("Identifier and address", "識別コード(メールアドレス)"),
    );
    page.fixed(LEFT, 132.0, 14.0, &facts.identifier);
    page.line(LEFT, 144.0, 10.0, say("Initial password", "初期パスワード"));
    page.fixed(LEFT, 154.0, 20.0, password);
    page.line(
        LEFT,
        166.0,
        10.0,
        &format!("{}: {host}", say("Server", "サーバー名")),
    );
    let notes: &[&str] = match language {
        Language::En => &[
            "This identifier is yours alone: do not share it, and tell the password to nobody.",
            "Change this password at once; it is meant for the first time only.",
            "If somebody else may know it, tell the account manager at once.",
        ],
        Language::Ja => &[
            "この識別コードはあなた専用です(共用ではありません)。パスワードを他の人に教えないでください。",
            "この初期パスワードは最初の利用のためのものです。直ちに変更してください。",
            "他の人に知られたおそれがあるときは、直ちにアカウント管理者に届け出てください。",
        ],
    };
    for (at, note) in notes.iter().enumerate() {
        page.line(LEFT, 176.0 + at as f32 * 6.0, 9.0, note);
    }
    receipt(&mut page, facts, &say);
    assemble(
        &page.0.finish(),
        say("Mail account", "メールアカウントの通知"),
        say("en", "ja"),
    )
}

/// The last third: what is signed when the letter is handed over.
fn receipt(
    page: &mut Page,
    facts: &Facts,
    say: &dyn Fn(&'static str, &'static str) -> &'static str,
) {
    page.line(LEFT, 212.0, 13.0, say("Receipt", "受領書"));
    page.line(
        LEFT,
        222.0,
        9.0,
        say(
            "I have received the letter with the initial password, sealed, from the account manager in person.",
            "初期パスワードを記した書状を、封をした状態でアカウント管理者から直接受け取りました。",
        ),
    );
    page.line(
        LEFT,
        231.0,
        9.0,
        &format!("{} {}", say("Letter", "書状番号"), facts.number),
    );
    page.line(LEFT, 237.0, 9.0, &facts.identifier);
    page.line(LEFT, 254.0, 9.0, say("Date", "日付"));
    page.line(95.0, 254.0, 9.0, say("Signature", "氏名"));
    page.rule(LEFT + 12.0, 80.0, 255.0);
    page.rule(115.0, 185.0, 255.0);
}

/// The page under way. Places are in millimetres from the upper left corner.
struct Page(Content);

impl Page {
    fn line(&mut self, x: f32, y: f32, size: f32, text: &str) {
        if text.is_ascii() {
            self.show(LATIN, (x, y), size, text.as_bytes());
        } else {
            let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            self.show(JAPANESE, (x, y), size, &units);
        }
    }

    /// Text in which no character may be taken for another.
    fn fixed(&mut self, x: f32, y: f32, size: f32, text: &str) {
        if text.is_ascii() {
            self.show(FIXED, (x, y), size, text.as_bytes());
        } else {
            self.line(x, y, size, text);
        }
    }

    fn show(&mut self, font: Name<'_>, (x, y): (f32, f32), size: f32, bytes: &[u8]) {
        self.0
            .begin_text()
            .set_font(font, size)
            .next_line(x * MM, (HEIGHT - y) * MM)
            .show(Str(bytes))
            .end_text();
    }

    fn rule(&mut self, from: f32, to: f32, y: f32) {
        self.0
            .set_line_width(0.5)
            .move_to(from * MM, (HEIGHT - y) * MM)
            .line_to(to * MM, (HEIGHT - y) * MM)
            .stroke();
    }

    /// Short lines at the edges where it is folded.
    fn marks(&mut self) {
        for fold in FOLDS {
            self.rule(3.0, 8.0, fold);
            self.rule(WIDTH - 8.0, WIDTH - 3.0, fold);
        }
    }
}

/// A document of the one page.
fn assemble(content: &[u8], title: &str, language: &str) -> Vec<u8> {
    let [
        catalog,
        pages,
        page,
        contents,
        latin,
        fixed,
        japanese,
        cid,
        descriptor,
        info,
    ] = std::array::from_fn(|at| Ref::new(i32::try_from(at).unwrap_or(0) + 1));
    let mut pdf = Pdf::new();
    pdf.catalog(catalog)
        .pages(pages)
        .lang(pdf_writer::TextStr(language));
    pdf.document_info(info).title(pdf_writer::TextStr(title));
    pdf.pages(pages).kids([page]).count(1);
    let mut sheet = pdf.page(page);
    sheet
        .media_box(Rect::new(0.0, 0.0, WIDTH * MM, HEIGHT * MM))
        .parent(pages)
        .contents(contents);
    sheet
        .resources()
        .fonts()
        .pair(LATIN, latin)
        .pair(FIXED, fixed)
        .pair(JAPANESE, japanese);
    sheet.finish();
    pdf.stream(contents, content);
    pdf.type1_font(latin).base_font(Name(b"Helvetica"));
    pdf.type1_font(fixed).base_font(Name(b"Courier-Bold"));
    let name = Name(b"HeiseiKakuGo-W5");
    pdf.type0_font(japanese)
        .base_font(name)
        .encoding_predefined(Name(b"UniJIS-UTF16-H"))
        .descendant_font(cid);
    let mut font = pdf.cid_font(cid);
    font.subtype(CidFontType::Type0)
        .base_font(name)
        .system_info(SystemInfo {
            registry: Str(b"Adobe"),
            ordering: Str(b"Japan1"),
            supplement: 6,
        })
        .font_descriptor(descriptor)
        .default_width(1000.0);
    // Latin letters: half as wide, whatever their own width is.
    font.widths().same(1, 230, 500.0).same(231, 632, 500.0);
    font.finish();
    pdf.font_descriptor(descriptor)
        .name(name)
        .flags(FontFlags::NON_SYMBOLIC)
        .bbox(Rect::new(-92.0, -250.0, 1010.0, 922.0))
        .italic_angle(0.0)
        .ascent(752.0)
        .descent(-221.0)
        .cap_height(709.0)
        .stem_v(114.0);
    pdf.finish()
}

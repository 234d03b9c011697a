//! Messages: their parts, and messages within them.

use malware::What;
use message::{
    Limits,
    header::Header,
    mime::{Content, Part, Structure},
};

use crate::{
    inspector::{File, Inspector},
    uuencode,
};

/// Multiparts within each other that are followed, as mail programs do.
const MIME_DEPTH: usize = 32;
/// Media types that a browser shows, with the scripts in them.
const PAGES: [(&str, &str); 3] = [
    ("text", "html"),
    ("application", "xhtml+xml"),
    ("image", "svg+xml"),
];

/// Looks at the parts of a message at `path`, which lies in `depth` containers.
pub(crate) fn message(inspector: &mut Inspector<'_>, raw: &[u8], path: &str, depth: usize) {
    let limits = Limits {
        depth: MIME_DEPTH,
        parts: inspector.limits.entries,
        described_octets: usize::MAX,
        ..Limits::default()
    };
    let structure = Structure::parse(raw, &limits);
    let mut walk = Walk {
        inspector,
        raw,
        path,
        depth,
        header_octets: limits.header_octets,
        count: 0,
    };
    walk.part(&structure.root, 0);
    if walk.count >= limits.parts {
        inspector.note(What::TooMany, &place(path, "parts"), "");
    }
}

struct Walk<'w, 'e> {
    inspector: &'w mut Inspector<'e>,
    raw: &'w [u8],
    path: &'w str,
    depth: usize,
    header_octets: usize,
    count: usize,
}

impl Walk<'_, '_> {
    fn part(&mut self, part: &Part, depth: usize) {
        self.count = self.count.saturating_add(1);
        let number = format!("part {}", self.count);
        if part.header.len() > self.header_octets {
            // What stands behind is not interpreted here, and may be elsewhere.
            let path = place(self.path, &number);
            self.inspector.note(What::TooLarge, &path, "header");
        }
        if depth >= MIME_DEPTH {
            let path = place(self.path, &number);
            self.inspector.note(What::TooDeep, &path, "");
        }
        match &part.content {
            Content::Multipart(_) | Content::Message { .. } => {
                for child in part.children() {
                    self.part(child, depth.saturating_add(1));
                }
            }
            Content::Text { .. } | Content::Other => self.leaf(part, &number),
        }
    }

    fn leaf(&mut self, part: &Part, number: &str) {
        self.absent(part, number);
        let names = names(part);
        let shown = names.first().map_or(number, String::as_str);
        let path = place(self.path, shown);
        if !self.inspector.may_go_on(&path) {
            return;
        }
        let data = match part.decoded_body(self.raw) {
            Some(data) => data,
            None => {
                self.inspector
                    .note(What::Unopened, &path, part.encoding.as_str());
                part.raw_body(self.raw).into()
            }
        };
        self.inspector.take(data.len(), &path);
        let mut file = File {
            path: &path,
            name: names.first().map_or("", String::as_str),
            depth: self.depth,
            is_inner: false,
            is_page: PAGES
                .iter()
                .any(|(kind, subtype)| part.content_type.is(kind, subtype)),
        };
        // Programs differ in which name they take.
        for other in names.iter().skip(1) {
            let other = File {
                name: other,
                ..file
            };
            self.inspector.look_at_name(other);
        }
        let is_message = self.says_message(part);
        if is_message && file.name.is_empty() {
            file.name = "message.eml";
        }
        self.inspector.file(file, &data);
        if matches!(part.content, Content::Text { .. }) {
            // One more than may be, so that it is noted.
            let most = self.inspector.limits.entries.saturating_add(1);
            for (name, data) in uuencode::files(&data, most) {
                if self.inspector.may_go_on(&path) {
                    self.inspector.take(data.len(), &path);
                    self.inspector.inner(file, &name, &data);
                }
            }
        }
        if is_message && crate::form::named(file.name) != Some(crate::form::Container::Mail) {
            let inner = File {
                name: "message.eml",
                is_page: false,
                ..file
            };
            self.inspector.file(inner, &data);
        }
    }

    /// Notes a part whose content is not here, or not all of it.
    fn absent(&mut self, part: &Part, number: &str) {
        let what = match () {
            () if part.content_type.is("message", "partial") => What::Partial,
            () if part.content_type.is("message", "external-body") => What::ExternalBody,
            () => return,
        };
        let shown = |name: &str| part.content_type.params.get(name).unwrap_or_default();
        let detail = match what {
            What::Partial => format!("{} of {}", shown("number"), shown("total")),
            _ => shown("access-type"),
        };
        let path = place(self.path, number);
        self.inspector.note(what, &path, &detail);
    }

    /// Whether the part's own header says that it is a message. One that is encoded is shown as something else (RFC 2046, section
    /// 5.2.1), but there are programs that open it.
    fn says_message(&self, part: &Part) -> bool {
        let header = self.raw.get(part.header.clone()).unwrap_or_default();
        let header = Header::named(header, &["content-type"], 1);
        let says = header.unfolded("content-type").unwrap_or_default();
        says.trim_start()
            .to_ascii_lowercase()
            .starts_with("message/")
            && !part.content_type.is("message", "delivery-status")
            && !part.content_type.is("message", "disposition-notification")
    }
}

/// The part's names, each once.
fn names(part: &Part) -> Vec<String> {
    let disposition = part.disposition.as_ref();
    let all = [
        part.filename(),
        disposition.and_then(|disposition| disposition.params.get("filename")),
        part.content_type.params.get("name"),
    ];
    let mut names: Vec<String> = Vec::new();
    for name in all.into_iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn place(path: &str, name: &str) -> String {
    match path.is_empty() {
        true => name.to_owned(),
        false => format!("{path}/{name}"),
    }
}

//! A report from XML.

use super::{
    Disposition, MOST_OCTETS, MOST_ROWS, MOST_SIGNATURES, MOST_TEXT, Report, Row, Seen,
    xml::{Piece, Reader, XmlError},
};

/// Elements within elements.
const DEEPEST: usize = 16;

/// Why a text is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It is too long.
    #[error("it has more than {MOST_OCTETS} octets")]
    TooLong,
    /// It is no XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Its elements do not end as they begin, or lie too deep within each other.
    #[error("its elements are not well nested")]
    Nesting,
    /// It is XML, and no report.
    #[error("it lacks {0}")]
    Lacks(&'static str),
}

/// One row as it is read.
#[derive(Default)]
struct Open {
    source: String,
    count: u64,
    seen: Seen,
}

impl Report {
    /// Reads a report. Elements that are not known are passed over, and so are rows without an address; a count that is no number
    /// is none.
    ///
    /// # Errors
    /// When it is too long, no XML, or lacks what every report has.
    pub fn parse(octets: &[u8]) -> Result<Self, ReportError> {
        if octets.len() > MOST_OCTETS {
            return Err(ReportError::TooLong);
        }
        let text = String::from_utf8_lossy(octets);
        let mut reader = Reader::new(&text);
        let mut path: Vec<String> = Vec::new();
        let mut report = Self::default();
        let mut row = Open::default();
        let mut said = String::new();
        while let Some(piece) = reader.next()? {
            match piece {
                Piece::Begin(name) => {
                    if path.len() >= DEEPEST {
                        return Err(ReportError::Nesting);
                    }
                    path.push(cut(name));
                    said.clear();
                    row.begin(&path);
                }
                Piece::Text(text) => {
                    let room = MOST_TEXT.saturating_sub(said.len());
                    said.extend(text.chars().take(room));
                }
                Piece::End(name) => {
                    if path.last() != Some(&cut(name)) {
                        return Err(ReportError::Nesting);
                    }
                    let place: Vec<&str> = path.iter().map(String::as_str).collect();
                    if place == ["feedback", "record"] {
                        report.add(std::mem::take(&mut row));
                    } else {
                        report.put(&place, said.trim(), &mut row);
                    }
                    path.pop();
                    said.clear();
                }
            }
        }
        match () {
            () if !path.is_empty() => Err(ReportError::Nesting),
            () if report.policy.domain.is_empty() => Err(ReportError::Lacks("a domain")),
            () if report.organisation.is_empty() => Err(ReportError::Lacks("its reporter")),
            () if report.id.is_empty() => Err(ReportError::Lacks("an id")),
            () if report.end < report.begin || report.end == 0 => {
                Err(ReportError::Lacks("the time that it is about"))
            }
            () => Ok(report),
        }
    }

    fn add(&mut self, row: Open) {
        let Ok(source) = row.source.parse() else {
            return;
        };
        if self.rows.len() >= MOST_ROWS {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.rows.push(Row {
            source,
            count: row.count,
            seen: row.seen,
        });
    }

    /// Puts what an element says into its place.
    fn put(&mut self, place: &[&str], said: &str, row: &mut Open) {
        let Some((&"feedback", place)) = place.split_first() else {
            return;
        };
        match place {
            ["report_metadata", rest @ ..] => self.put_metadata(rest, said),
            ["policy_published", name] => self.put_policy(name, said),
            ["record", rest @ ..] => row.put(rest, said),
            _ => {}
        }
    }

    fn put_metadata(&mut self, place: &[&str], said: &str) {
        match place {
            ["org_name"] => self.organisation = said.to_owned(),
            ["email"] => self.contact = said.to_owned(),
            ["report_id"] => self.id = said.to_owned(),
            ["error"] => self.error = Some(said.to_owned()),
            ["date_range", "begin"] => self.begin = said.parse().unwrap_or(0),
            ["date_range", "end"] => self.end = said.parse().unwrap_or(0),
            _ => {}
        }
    }

    fn put_policy(&mut self, name: &str, said: &str) {
        let policy = &mut self.policy;
        match name {
            "domain" => policy.domain = said.to_ascii_lowercase(),
            "p" => policy.policy = Disposition::of(said).unwrap_or_default(),
            "sp" => policy.below = Disposition::of(said),
            "np" => policy.nonexistent = Disposition::of(said),
            "adkim" => policy.strict_dkim = said == "s",
            "aspf" => policy.strict_spf = said == "s",
            "testing" => policy.testing = said == "y",
            _ => {}
        }
    }
}

impl Open {
    /// Makes room for what comes several times.
    fn begin(&mut self, path: &[String]) {
        let place: Vec<&str> = path.iter().map(String::as_str).collect();
        if place == ["feedback", "record", "auth_results", "dkim"]
            && self.seen.dkim.len() < MOST_SIGNATURES
        {
            self.seen.dkim.push(Default::default());
        }
    }

    fn put(&mut self, place: &[&str], said: &str) {
        let seen = &mut self.seen;
        match place {
            ["row", "source_ip"] => self.source = said.to_owned(),
            ["row", "count"] => self.count = said.parse().unwrap_or(0),
            ["row", "policy_evaluated", name] => match *name {
                "disposition" => seen.disposition = Disposition::of(said).unwrap_or_default(),
                "dkim" => seen.dkim_aligned = said.eq_ignore_ascii_case("pass"),
                "spf" => seen.spf_aligned = said.eq_ignore_ascii_case("pass"),
                _ => {}
            },
            // The first of several reasons counts.
            ["row", "policy_evaluated", "reason", "type"] if seen.reason.is_none() => {
                seen.reason = Some((said.to_owned(), String::new()));
            }
            ["row", "policy_evaluated", "reason", "comment"] => {
                if let Some((_, comment)) = &mut seen.reason
                    && comment.is_empty()
                {
                    said.clone_into(comment);
                }
            }
            ["identifiers", "header_from"] => seen.header_from = said.to_ascii_lowercase(),
            ["identifiers", "envelope_from"] if !said.is_empty() => {
                seen.envelope_from = Some(said.to_ascii_lowercase());
            }
            ["auth_results", "dkim", name] => {
                if let Some((domain, selector, result)) = seen.dkim.last_mut() {
                    match *name {
                        "domain" => *domain = said.to_ascii_lowercase(),
                        "selector" => said.clone_into(selector),
                        "result" => *result = said.to_ascii_lowercase(),
                        _ => {}
                    }
                }
            }
            ["auth_results", "spf", name] => {
                let (domain, result) = seen.spf.get_or_insert_default();
                match *name {
                    "domain" => *domain = said.to_ascii_lowercase(),
                    "result" => *result = said.to_ascii_lowercase(),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// A name of an element, shortened: none that is known is so long.
fn cut(name: &str) -> String {
    name.chars().take(64).collect()
}

//! A report as XML.

use super::{MOST_ROWS, Report, Row};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:dmarc-2.0";

/// An element at a time, indented, with its text escaped.
struct Writer {
    out: String,
    depth: usize,
}

impl Writer {
    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.out.push_str("  ");
        }
    }

    fn within(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.indent();
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str(">\n");
        self.depth = self.depth.saturating_add(1);
        inside(self);
        self.depth = self.depth.saturating_sub(1);
        self.indent();
        // Attributes belong to the beginning alone.
        let bare = name.split(' ').next().unwrap_or_default();
        self.out.push_str("</");
        self.out.push_str(bare);
        self.out.push_str(">\n");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.indent();
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        for c in text.chars() {
            match c {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                // Most controls have no place in XML, however written.
                c if c.is_control() => self.out.push(' '),
                '\u{fffe}' | '\u{ffff}' => self.out.push(' '),
                c => self.out.push(c),
            }
        }
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push_str(">\n");
    }

    fn alignment(&mut self, name: &str, strict: bool) {
        self.text(name, if strict { "s" } else { "r" });
    }

    fn result(&mut self, name: &str, passed: bool) {
        self.text(name, if passed { "pass" } else { "fail" });
    }
}

impl Report {
    /// The report in the form of RFC 9990, appendix A. `generator` is the program that made it. Of more rows than
    /// [`MOST_ROWS`] the rest is left out.
    #[must_use]
    pub fn to_xml(&self, generator: &str) -> String {
        let mut writer = Writer {
            out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
            depth: 0,
        };
        writer.within(&format!("feedback xmlns=\"{NAMESPACE}\""), |it| {
            it.text("version", "1.0");
            it.within("report_metadata", |it| self.metadata(it, generator));
            it.within("policy_published", |it| self.published(it));
            for row in self.rows.iter().take(MOST_ROWS) {
                it.within("record", |it| record(it, row));
            }
        });
        writer.out
    }

    fn metadata(&self, it: &mut Writer, generator: &str) {
        it.text("org_name", &self.organisation);
        it.text("email", &self.contact);
        it.text("report_id", &self.id);
        it.within("date_range", |it| {
            it.text("begin", &self.begin.to_string());
            it.text("end", &self.end.to_string());
        });
        if let Some(error) = &self.error {
            it.text("error", error);
        }
        it.text("generator", generator);
    }

    fn published(&self, it: &mut Writer) {
        let policy = &self.policy;
        it.text("domain", &policy.domain);
        it.text("discovery_method", "treewalk");
        it.text("p", policy.policy.as_str());
        // What is left out follows `p` (RFC 9989, section 4.7).
        let below = policy.below.unwrap_or(policy.policy);
        it.text("sp", below.as_str());
        it.text("np", policy.nonexistent.unwrap_or(below).as_str());
        it.alignment("adkim", policy.strict_dkim);
        it.alignment("aspf", policy.strict_spf);
        it.text("testing", if policy.testing { "y" } else { "n" });
    }
}

fn record(it: &mut Writer, row: &Row) {
    let seen = &row.seen;
    it.within("row", |it| {
        it.text("source_ip", &row.source.to_canonical().to_string());
        it.text("count", &row.count.to_string());
        it.within("policy_evaluated", |it| {
            it.text("disposition", seen.disposition.as_str());
            it.result("dkim", seen.dkim_aligned);
            it.result("spf", seen.spf_aligned);
            if let Some((kind, comment)) = &seen.reason {
                it.within("reason", |it| {
                    it.text("type", kind);
                    if !comment.is_empty() {
                        it.text("comment", comment);
                    }
                });
            }
        });
    });
    it.within("identifiers", |it| {
        it.text("header_from", &seen.header_from);
        it.text(
            "envelope_from",
            seen.envelope_from.as_deref().unwrap_or_default(),
        );
    });
    it.within("auth_results", |it| {
        for (domain, selector, result) in &seen.dkim {
            it.within("dkim", |it| {
                it.text("domain", domain);
                it.text("selector", selector);
                it.text("result", result);
            });
        }
        if let Some((domain, result)) = &seen.spf {
            it.within("spf", |it| {
                it.text("domain", domain);
                it.text("scope", "mfrom");
                it.text("result", result);
            });
        }
    });
}

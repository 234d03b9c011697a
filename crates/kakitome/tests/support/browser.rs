//! A browser without a screen: curl, with its cookies.

use std::path::PathBuf;

use super::{Program, Site, site::HTTPS};

/// One browser.
pub(crate) struct Browser {
    cookies: PathBuf,
    base: String,
    certificate: PathBuf,
    resolve: String,
}

/// What came of a request, after every redirection.
pub(crate) struct Shown {
    pub(crate) status: u16,
    /// The path that it ended at.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Shown {
    /// The value that follows `before`, up to the next quotation mark or tag.
    #[track_caller]
    pub(crate) fn after(&self, before: &str) -> String {
        let Some((_, rest)) = self.text.split_once(before) else {
            panic!("{before:?} is not in the page:\n{}", self.text);
        };
        rest.split(['"', '<']).next().unwrap().to_owned()
    }

    /// The key that the page's forms bring back.
    #[track_caller]
    pub(crate) fn key(&self) -> String {
        self.after("name=\"key\" value=\"")
    }

    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        assert!(
            self.text.contains(words),
            "{words:?} is missing:\n{}",
            self.text
        );
    }
}

impl Browser {
    /// A new one, which speaks Japanese.
    pub(crate) fn new(site: &Site, name: &str) -> Self {
        let host = site.hostname();
        Self {
            cookies: site.beside(&format!("{name}.cookies")),
            base: format!("https://{host}:{HTTPS}"),
            certificate: site.certificate(),
            resolve: format!("{host}:{HTTPS}:{}", site.address),
        }
    }

    fn curl(&self, path: &str) -> Program {
        Program::new("curl")
            .words([
                "--silent",
                "--show-error",
                "--location",
                "--max-redirs",
                "3",
            ])
            .words(["--user-agent", "Mozilla/5.0 (a browser of the tests)"])
            .words(["--header", "Accept-Language: ja,en;q=0.5"])
            .word("--cacert")
            .word(&self.certificate)
            .words(["--resolve", &self.resolve])
            .word("--cookie")
            .word(&self.cookies)
            .word("--cookie-jar")
            .word(&self.cookies)
            .words(["--write-out", "\n%{http_code} %{url_effective}"])
            .word(format!("{}{path}", self.base))
    }

    fn shown(&self, program: Program) -> Shown {
        let all = program.succeeds();
        let (text, last) = all.rsplit_once('\n').unwrap();
        let (status, address) = last.split_once(' ').unwrap();
        Shown {
            status: status.parse().unwrap(),
            path: address.strip_prefix(&self.base).unwrap().to_owned(),
            text: text.to_owned(),
        }
    }

    /// Opens a page.
    #[track_caller]
    pub(crate) fn open(&self, path: &str) -> Shown {
        self.shown(self.curl(path))
    }

    /// Sends a form.
    #[track_caller]
    pub(crate) fn send(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        self.send_with(path, fields, &[])
    }

    /// Sends a form with further words for curl.
    #[track_caller]
    pub(crate) fn send_with(&self, path: &str, fields: &[(&str, &str)], words: &[&str]) -> Shown {
        let mut program = self.curl(path).words(words);
        for (name, value) in fields {
            program = program.words(["--data-urlencode", &format!("{name}={value}")]);
        }
        self.shown(program)
    }

    /// Logs in by the form.
    #[track_caller]
    pub(crate) fn log_in(&self, identifier: &str, password: &str, code: &str) -> Shown {
        let fields = [
            ("identifier", identifier),
            ("password", password),
            ("code", code),
        ];
        self.send("/login", &fields)
    }

    /// The heads of the answers to a request.
    #[track_caller]
    pub(crate) fn heads(&self, path: &str, words: &[&str]) -> String {
        self.curl(path)
            .words(["--dump-header", "-", "--output", "/dev/null"])
            .words(words)
            .succeeds()
    }

    /// What this browser keeps.
    pub(crate) fn cookies(&self) -> String {
        std::fs::read_to_string(&self.cookies).unwrap_or_default()
    }
}

//! A browser that runs scripts: Chromium without a screen, driven by WebDriver (W3C), with a device for passkeys that is of the
//! browser's own making (WebAuthn Level 3, section 11).

use std::{process::Command, time::Duration};

use serde_json::{Value, json};

use super::{Process, Program, Site, site::HTTPS, until};

/// How long a page may take to come.
const SOON: Duration = Duration::from_secs(30);
/// What names an element in WebDriver.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser, with nothing remembered. Dropping it ends it.
pub(crate) struct Chromium {
    base: String,
    driver: String,
    session: String,
    // Last, so that the browser is told to end first.
    _process: Process,
}

/// A device for passkeys in a [`Chromium`].
pub(crate) struct Authenticator(String);

impl Chromium {
    /// A new one, which speaks Japanese, and knows the site by its name and its certificate.
    pub(crate) fn new(site: &Site) -> Self {
        let log = site.beside("chromedriver.log");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        let process = Process::start("chromedriver", &mut command, &log);
        let port = until("the driver's port", SOON, || {
            let printed = process.printed();
            let (_, rest) = printed.split_once("successfully on port ")?;
            let (port, _) = rest.split_once('.')?;
            port.parse::<u16>().ok()
        });
        let driver = format!("http://127.0.0.1:{port}");
        let host = site.hostname();
        let profile = site.beside("chromium");
        let args = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            format!("--user-data-dir={}", profile.display()),
            format!(
                "--host-resolver-rules=MAP {host} {}, MAP * ~NOTFOUND",
                site.address
            ),
            // A page whose certificate the browser doubts has no passkeys: this one it is told to know.
            format!("--ignore-certificate-errors-spki-list={}", key_digest(site)),
        ];
        let wish = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": args, "prefs": {"intl.accept_languages": "ja,en"}},
        }}});
        let begun = ask("POST", &format!("{driver}/session"), &wish);
        let session = begun["sessionId"].as_str().unwrap();
        Self {
            base: format!("https://{host}:{HTTPS}"),
            session: format!("{driver}/session/{session}"),
            driver,
            _process: process,
        }
    }

    #[track_caller]
    fn give(&self, command: &str, words: &Value) -> Value {
        ask("POST", &format!("{}/{command}", self.session), words)
    }

    #[track_caller]
    fn look(&self, what: &str) -> Value {
        ask("GET", &format!("{}/{what}", self.session), &Value::Null)
    }

    /// Opens a page.
    #[track_caller]
    pub(crate) fn open(&self, path: &str) {
        self.give("url", &json!({"url": format!("{}{path}", self.base)}));
    }

    /// The path that it is at.
    #[track_caller]
    pub(crate) fn path(&self) -> String {
        let url = self.look("url");
        let url = url.as_str().unwrap();
        url.strip_prefix(&self.base).unwrap_or(url).to_owned()
    }

    /// What a person sees of the page; nothing while one page goes and another comes.
    pub(crate) fn text(&self) -> String {
        let script = "return document.body ? document.body.innerText : ''";
        let words = json!({"script": script, "args": []});
        let seen = tried("POST", &format!("{}/execute/sync", self.session), &words);
        let seen = seen.ok().and_then(|text| Some(text.as_str()?.to_owned()));
        seen.unwrap_or_default()
    }

    /// Waits until a person sees `words`.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        let mut seen = String::new();
        let deadline = std::time::Instant::now() + SOON;
        while std::time::Instant::now() < deadline {
            seen = self.text();
            if seen.contains(words) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{words:?} is not seen at {}:\n{seen}", self.path());
    }

    /// Waits until it is at a path.
    #[track_caller]
    pub(crate) fn is_at(&self, path: &str) {
        let what = format!("the page {path}");
        until(&what, SOON, || (self.path() == path).then_some(()));
    }

    /// Runs a script as if it were of the page.
    #[track_caller]
    pub(crate) fn run(&self, script: &str, words: &[Value]) -> Value {
        self.give("execute/sync", &json!({"script": script, "args": words}))
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let wish = json!({"using": "css selector", "value": selector});
        let found = self.give("element", &wish);
        let id = found[ELEMENT].as_str().unwrap();
        format!("element/{id}")
    }

    /// Types into a field, in place of what it held.
    #[track_caller]
    pub(crate) fn types(&self, selector: &str, text: &str) {
        let field = self.element(selector);
        self.give(&format!("{field}/clear"), &json!({}));
        self.give(&format!("{field}/value"), &json!({"text": text}));
    }

    /// Clicks on something.
    #[track_caller]
    pub(crate) fn clicks(&self, selector: &str) {
        let button = self.element(selector);
        self.give(&format!("{button}/click"), &json!({}));
    }

    /// Gives the browser a device for passkeys, whose holder always touches it.
    #[track_caller]
    pub(crate) fn plug_in(&self) -> Authenticator {
        let wish = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserConsenting": true,
            "isUserVerified": true,
        });
        let id = self.give("webauthn/authenticator", &wish);
        Authenticator(id.as_str().unwrap().to_owned())
    }

    /// The passkeys that a device holds.
    #[track_caller]
    pub(crate) fn passkeys(&self, device: &Authenticator) -> Vec<Value> {
        let all = self.look(&format!("webauthn/authenticator/{}/credentials", device.0));
        all.as_array().unwrap().clone()
    }

    /// Puts a passkey into a device, in place of those that it holds.
    #[track_caller]
    pub(crate) fn put(&self, device: &Authenticator, passkey: &Value) {
        let device = format!("webauthn/authenticator/{}", device.0);
        let all = format!("{}/{device}/credentials", self.session);
        ask("DELETE", &all, &Value::Null);
        self.give(&format!("{device}/credential"), passkey);
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver ends the browser that it started, and itself thereafter.
        for (way, address) in [
            ("DELETE", self.session.clone()),
            ("POST", format!("{}/shutdown", self.driver)),
        ] {
            curl(way, &address, &json!({})).run();
        }
    }
}

/// The digest of the site's public key.
fn key_digest(site: &Site) -> String {
    let script = "openssl x509 -in \"$0\" -noout -pubkey | openssl pkey -pubin -outform der | \
                  openssl dgst -sha256 -binary | openssl base64 -A";
    Program::new("sh")
        .words(["-c", script])
        .word(site.certificate())
        .succeeds()
}

fn curl(way: &str, address: &str, words: &Value) -> Program {
    let program = Program::new("curl")
        .words(["--silent", "--show-error", "--max-time", "60"])
        .words(["--request", way]);
    let program = match words {
        Value::Null => program,
        words => program
            .words(["--header", "Content-Type: application/json"])
            .words(["--data-binary", "@-"])
            .input(words.to_string()),
    };
    program.word(address)
}

/// A command of WebDriver, which must be done; returns its value.
#[track_caller]
fn ask(way: &str, address: &str, words: &Value) -> Value {
    match tried(way, address, words) {
        Ok(value) => value,
        Err(error) => panic!("{way} {address} {words}: {error}"),
    }
}

/// A command of WebDriver, and its value, or why it was not done.
#[track_caller]
fn tried(way: &str, address: &str, words: &Value) -> Result<Value, Value> {
    let answer = curl(way, address, words).succeeds();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let value = answer["value"].clone();
    match value["error"].is_string() {
        true => Err(value),
        false => Ok(value),
    }
}

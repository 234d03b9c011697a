//! The pages over HTTPS, with curl as the browser and oathtool as the device that shows codes (clauses 4.1, 7.1).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use support::{Nobody, Person, Program, Site, browser::Browser, imap, site, smtp, until};

const SOON: Duration = Duration::from_secs(30);
const CHOSEN: &str = "Nagai-Michi-9";

/// The answer to LOGIN.
fn login(site: &Site, address: &str, password: &str) -> String {
    let mut session = imap::Session::open_tls(site, site::IMAPS);
    session
        .give(&format!("LOGIN \"{address}\" \"{password}\""))
        .tagged
}

/// A browser that is logged in, with a password of its holder's choice.
fn at_home(site: &Site, person: &Person, name: &str) -> Browser {
    let browser = Browser::new(site, name);
    let shown = browser.log_in(&person.address, &person.password, "");
    assert_eq!((shown.status, shown.path.as_str()), (200, "/password"));
    change(&browser, &person.password, CHOSEN);
    let shown = browser.log_in(&person.address, CHOSEN, "");
    assert_eq!((shown.status, shown.path.as_str()), (200, "/"));
    browser
}

fn change(browser: &Browser, present: &str, chosen: &str) {
    let key = browser.open("/password").key();
    let fields = [
        ("key", key.as_str()),
        ("present", present),
        ("chosen", chosen),
        ("again", chosen),
    ];
    let shown = browser.send("/password", &fields);
    assert_eq!(shown.status, 200, "{}", shown.text);
    shown.says("パスワードを変更しました");
}

#[test]
fn an_initial_password_is_changed_on_the_page_and_nowhere_before() {
    let mut site = Site::new("city.example");
    site.set("directory", "initial_only_to_change = true");
    site.serve();
    let tanaka = site.person("tanaka");
    let (address, initial) = (tanaka.address.as_str(), tanaka.password.as_str());
    let refused = login(&site, address, initial);
    assert!(refused.starts_with("NO [EXPIRED]"), "{refused}");
    assert!(refused.contains("web page"), "{refused}");
    let mut submission = smtp::Session::open(site.address, site::SUBMISSION).starttls(&site);
    let refused = submission.auth_plain(&tanaka);
    assert_eq!(refused.code, 535);
    assert!(refused.text.concat().contains("web page"), "{refused:?}");

    let browser = Browser::new(&site, "tanaka");
    let guest = browser.open("/");
    guest.says("識別コード（メールアドレス）");
    let shown = browser.log_in(address, "wrong", "");
    assert_eq!(shown.status, 401);
    shown.says("が違います");
    let shown = browser.log_in(address, initial, "");
    assert_eq!(shown.path, "/password");
    shown.says("最初のパスワード");
    // Whatever else is asked for leads here, and no other form is taken.
    assert_eq!(browser.open("/second-factor").path, "/password");
    let key = shown.key();
    let fields = [
        ("key", key.as_str()),
        ("identifier", address),
        ("name", "x"),
        ("scope", "both"),
        ("expires", ""),
    ];
    assert_eq!(browser.send("/app-password", &fields).path, "/password");

    for (present, chosen, again, status, told) in [
        (initial, CHOSEN, "another", 422, "同じではありません"),
        ("wrong", CHOSEN, CHOSEN, 401, "現在のパスワードが違います"),
        (initial, "short1", "short1", 422, "8文字以上"),
        (initial, "sakura2024", "sakura2024", 422, "よくある言葉"),
        (initial, "さくら-2024", "さくら-2024", 422, "よくある言葉"),
        (initial, "tanaka-2026", "tanaka-2026", 422, "アドレスや名前"),
        (initial, initial, initial, 422, "現在のものと同じ"),
    ] {
        let key = browser.open("/password").key();
        let fields = [
            ("key", key.as_str()),
            ("present", present),
            ("chosen", chosen),
            ("again", again),
        ];
        let shown = browser.send("/password", &fields);
        assert_eq!(shown.status, status, "{chosen}: {}", shown.text);
        shown.says(told);
    }
    change(&browser, initial, CHOSEN);
    assert!(login(&site, address, CHOSEN).starts_with("OK "));
    assert!(login(&site, address, initial).starts_with("NO [AUTHENTICATIONFAILED]"));
    let changed = site.events(&["--kind", "account.password"]);
    assert_eq!(changed[0]["actor"], "person:tanaka");
    assert_eq!(changed[0]["detail"]["by"], "holder");
    let given = site.events(&["--kind", "command.given", "--actor", "tanaka"]);
    assert!(
        given.iter().any(|event| event["detail"]["via"] == "web"),
        "{given:?}"
    );
    assert!(!site.log().contains(CHOSEN));
}

#[test]
fn app_passwords_and_logins_on_the_page() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let browser = at_home(&site, &tanaka, "tanaka");
    let home = browser.open("/");
    home.says("アプリパスワード");
    let name = "<script>alert(1)</script> & 電話";
    let fields = [
        ("key", &*home.key()),
        ("identifier", &tanaka.address),
        ("name", name),
        ("scope", "fetch"),
        ("expires", ""),
    ];
    let made = browser.send("/app-password", &fields);
    assert_eq!(made.status, 200);
    let password = made.after("<code>");
    assert!(!made.text.contains("<script>"), "{}", made.text);
    made.says("alert(1)");
    let phone = Person {
        password,
        ..tanaka.clone()
    };
    let mut reading = site.imap(&phone);
    reading.select("INBOX");
    let mut submission = smtp::Session::open(site.address, site::SUBMISSION).starttls(&site);
    assert_eq!(submission.auth_plain(&phone).code, 535, "for fetching only");

    let home = browser.open("/");
    assert!(!home.text.contains(&phone.password), "shown once");
    home.says("受信のみ");
    home.says("smtp");
    home.says("imap, &#60;script");
    // Given up: the session that it began ends at once.
    let number = home.after("name=\"number\" value=\"");
    reading.begin("IDLE").unwrap();
    reading.response().unwrap();
    let fields = [
        ("key", &*home.key()),
        ("identifier", &tanaka.address),
        ("number", &*number),
    ];
    assert_eq!(browser.send("/app-password/revoke", &fields).status, 200);
    until("the end of the session", SOON, || {
        reading.response().is_err().then_some(())
    });
    assert!(login(&site, &phone.address, &phone.password).starts_with("NO "));

    // The notice on the records is acknowledged here too (clause 9.1(2)).
    let key = browser.open("/").key();
    let shown = browser.send("/acknowledge", &[("key", &key)]);
    shown.says("了解した日時");
    let noted = site.events(&["--kind", "person.acknowledged"]);
    assert_eq!(noted[0]["detail"]["way"], "self");
    // In English, if that is wished.
    browser.open("/language?to=en").says("Recent logins");
    browser.open("/").says("Recent logins");
}

/// What oathtool shows for a secret, `later` seconds from now.
fn code(secret: &str, later: u32) -> String {
    let when = format!("now + {later} seconds");
    let shown = Program::new("oathtool")
        .words(["--totp", "--base32", "--now", &when, secret])
        .succeeds();
    shown.trim().to_owned()
}

#[test]
fn a_second_factor_from_the_picture_to_the_lost_phone() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let browser = at_home(&site, &tanaka, "tanaka");
    // With an officer's role, it is asked for before anything else.
    site.give(&["person", "role", "grant", "tanaka", "personnel-clerk"]);
    let attention = site.give(&["status"])[0]["attention"].to_string();
    assert!(attention.contains("second factor"), "{attention}");
    let shown = browser.open("/");
    assert_eq!(shown.path, "/second-factor");
    shown.says("二段階認証が必要です");
    shown.says("<svg");
    let wrong = [("key", &*shown.key()), ("name", "電話"), ("code", "000000")];
    let shown = browser.send("/second-factor", &wrong);
    assert_eq!(shown.status, 422);
    shown.says("確認コードが違います");
    let secret = shown.after("<code>");
    let first = code(&secret, 0);
    let right = [("key", &*shown.key()), ("name", "電話"), ("code", &*first)];
    let shown = browser.send("/second-factor", &right);
    assert_eq!(
        (shown.status, shown.path.as_str()),
        (200, "/"),
        "{}",
        shown.text
    );

    let another = Browser::new(&site, "another");
    for (code, what) in [("", "none"), (&*first, "used up"), ("000000", "wrong")] {
        let shown = another.log_in(&tanaka.address, CHOSEN, code);
        assert_eq!(shown.status, 401, "{what}");
    }
    let shown = another.log_in(&tanaka.address, CHOSEN, &code(&secret, 30));
    assert_eq!(
        (shown.status, shown.path.as_str()),
        (200, "/"),
        "{}",
        shown.text
    );
    assert!(login(&site, &tanaka.address, CHOSEN).starts_with("NO [AUTHENTICATIONFAILED]"));

    // The phone is lost: an account manager removes it, and every session ends.
    let address = tanaka.address.as_str();
    let factors = site.give(&["account", "second-factor", "list", address]);
    let number = factors[0]["number"].to_string();
    // There are two officers by now: one asks for it, and another agrees.
    site.give(&["person", "add", "kimura", "--os-user", "nobody"]);
    site.give(&["person", "role", "grant", "kimura", "system-officer"]);
    let kimura = Nobody::at(&site);
    let order = site.give(&["order", "second-factor", "--for", "tanaka", &number]);
    let order = order[0]["number"].to_string();
    kimura.gives(&["order", "approve", &order]).succeeds();
    let remove = ["account", "second-factor", "remove", address, &number];
    site.give(&[&remove[..], &["--order", &order]].concat());
    browser.open("/").says("ログインが終了しました");
    assert!(login(&site, address, CHOSEN).starts_with("OK "));
}

#[test]
fn forms_of_others_and_cookies_of_old_do_nothing() {
    let mut site = Site::new("city.example");
    site.set("web", "silence = \"4s\"");
    site.set("web", "request_time = \"5s\"");
    site.serve();
    let (tanaka, suzuki) = (site.person("tanaka"), site.person("suzuki"));
    let browser = at_home(&site, &tanaka, "tanaka");
    let heads = browser.heads("/", &[]).to_ascii_lowercase();
    for told in [
        "content-security-policy: default-src 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(heads.contains(told), "{told}: {heads}");
    }
    let cookie = browser.cookies();
    assert!(cookie.contains("#HttpOnly_"), "{cookie}");
    // A form without the session's key, with another session's, or from another site.
    let other = at_home(&site, &suzuki, "suzuki");
    let (key, theirs) = (browser.open("/").key(), other.open("/").key());
    let app = |key| {
        [
            ("key", key),
            ("identifier", tanaka.address.as_str()),
            ("name", "x"),
            ("scope", "both"),
            ("expires", ""),
        ]
    };
    assert_eq!(browser.send("/app-password", &app("")).status, 403);
    assert_eq!(browser.send("/app-password", &app(&theirs)).status, 403);
    for header in [
        "Origin: https://elsewhere.example",
        "Sec-Fetch-Site: cross-site",
    ] {
        let words = ["--header", header];
        let shown = browser.send_with("/app-password", &app(&key), &words);
        assert_eq!(shown.status, 403, "{header}");
    }
    let hostname = format!("Origin: https://{}:{}", site.hostname(), site::HTTPS);
    let words = ["--header", hostname.as_str()];
    let shown = browser.send_with("/app-password", &app(&key), &words);
    assert_eq!(shown.status, 200);
    // With an own key, too, nobody makes one for another, or removes what is another's.
    let own_key = [
        ("key", theirs.as_str()),
        ("identifier", tanaka.address.as_str()),
        ("name", "x"),
        ("scope", "both"),
        ("expires", ""),
    ];
    assert_eq!(other.send("/app-password", &own_key).status, 422);
    let factor = [("key", theirs.as_str()), ("number", "1")];
    assert_eq!(other.send("/second-factor/remove", &factor).status, 422);
    // Another's app password is not theirs to give up.
    let number = browser.open("/").after("name=\"number\" value=\"");
    for whose in [&tanaka.address, &suzuki.address] {
        let fields = [
            ("key", theirs.as_str()),
            ("identifier", whose),
            ("number", &*number),
        ];
        assert_eq!(other.send("/app-password/revoke", &fields).status, 422);
    }

    // Too much, nonsense, and nothing at all.
    let much = "x".repeat(20_000);
    assert_eq!(browser.log_in(&much, "x", "").status, 413);
    assert_eq!(browser.send("/password", &[("key", "x")]).status, 422);
    assert_eq!(browser.open("/nowhere").status, 404);
    let mut silent = TcpStream::connect((site.address, site::HTTPS)).unwrap();
    silent.set_read_timeout(Some(SOON)).unwrap();
    silent.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    silent.read_to_end(&mut answer).ok();
    assert!(!answer.starts_with(b"HTTP"), "nothing is said without TLS");

    // A session that was silent, one whose account was suspended, and one that was left.
    let shown = other.log_in(&suzuki.address, CHOSEN, "");
    assert_eq!(shown.path, "/");
    site.give(&["account", "suspend", &suzuki.address, "--reason", "test"]);
    let ended = other.open("/");
    ended.says("ログインが終了しました");
    assert_eq!(other.log_in(&suzuki.address, CHOSEN, "").status, 401);
    until("the session that was silent", SOON, || {
        std::thread::sleep(Duration::from_secs(5));
        browser
            .open("/")
            .text
            .contains("ログインが終了しました")
            .then_some(())
    });
    let shown = browser.log_in(&tanaka.address, CHOSEN, "");
    let old = browser.cookies();
    browser.send("/logout", &[("key", &shown.key())]);
    std::fs::write(site.beside("thief.cookies"), old).unwrap();
    Browser::new(&site, "thief")
        .open("/")
        .says("ログインが終了しました");
}

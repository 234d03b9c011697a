//! Passkeys on the pages, in a real browser (clauses 4.1, 7.1; WebAuthn Level 3).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use serde_json::{Value, json};
use support::{Person, Site, browser::Browser, chromium::Chromium};

const CHOSEN: &str = "Nagai-Michi-9";
const REFUSED: &str = "識別コード、パスワード、または確認コードかパスキーが違います";
const STALE: &str = "パスキーを確認できませんでした";
const LOG_IN: &str = "form[action='/login'] > button";
const WITH_PASSKEY: &str = "[data-ask=use] button";

/// Fills in the login page and clicks on a button of it.
#[track_caller]
fn log_in(chromium: &Chromium, person: &Person, password: &str, button: &str) {
    chromium.types("[name=identifier]", &person.address);
    chromium.types("[name=password]", password);
    chromium.clicks(button);
}

#[track_caller]
fn log_out(chromium: &Chromium) {
    chromium.clicks("form[action='/logout'] button");
    chromium.is_at("/logout");
    chromium.open("/");
}

/// From now on, what this page's form sends is kept in the browser.
fn keep_what_is_sent(chromium: &Chromium) {
    let script = "const submit = HTMLFormElement.prototype.submit;
        HTMLFormElement.prototype.submit = function () {
            sessionStorage.setItem('sent', JSON.stringify([...new FormData(this)]));
            submit.call(this);
        };";
    chromium.run(script, &[]);
}

/// What was kept.
fn sent(chromium: &Chromium) -> Value {
    let sent = chromium.run("return sessionStorage.getItem('sent')", &[]);
    serde_json::from_str(sent.as_str().unwrap()).unwrap()
}

/// Sends a login with a passkey as the browser's own page would.
fn send(chromium: &Chromium, fields: &Value) {
    let script = "const form = document.createElement('form');
        form.method = 'post';
        form.action = '/login/passkey';
        for (const [name, value] of arguments[0]) {
            const field = document.createElement('input');
            [field.name, field.value] = [name, value];
            form.append(field);
        }
        document.body.append(form);
        form.submit();";
    chromium.run(script, std::slice::from_ref(fields));
}

fn reasons(site: &Site) -> Vec<String> {
    let failures = site.events(&["--kind", "authentication.failed"]);
    let reason = |event: &Value| event["detail"]["reason"].as_str().unwrap().to_owned();
    failures.iter().map(reason).collect()
}

#[test]
fn a_passkey_from_the_first_login_to_its_removal() {
    let mut site = Site::new("city.example");
    site.set("directory", "second_factor = \"everyone\"");
    site.set("directory", "free_failures = 100");
    site.serve();
    let tanaka = site.person("tanaka");
    let chromium = Chromium::new(&site);
    let device = chromium.plug_in();

    // The initial password opens the page where it is changed, and the new one that where a second factor is added.
    chromium.open("/");
    chromium.says("識別コード（メールアドレス）");
    log_in(&chromium, &tanaka, &tanaka.password, LOG_IN);
    chromium.is_at("/password");
    chromium.types("[name=present]", &tanaka.password);
    chromium.types("[name=chosen]", CHOSEN);
    chromium.types("[name=again]", CHOSEN);
    chromium.clicks("form[action='/password'] button");
    chromium.says("パスワードを変更しました");
    log_in(&chromium, &tanaka, CHOSEN, LOG_IN);
    chromium.is_at("/second-factor");
    chromium.says("二段階認証が必要です");
    chromium.types("[data-ask=make] [name=name]", "電話");
    chromium.clicks("[data-ask=make] button");
    chromium.is_at("/");
    chromium.says("電話");
    let added = site.events(&["--kind", "account.second-factor"]);
    assert_eq!(added.len(), 1);
    assert_eq!(added[0]["detail"]["second_factor_kind"], "passkey");
    assert_eq!(added[0]["detail"]["name"], "電話");
    assert_eq!(added[0]["actor"], "person:tanaka");
    let number = &added[0]["detail"]["second_factor"];
    assert!(site.give(&["status"])[0]["attention"].is_array());

    // The same device has no second one.
    chromium.open("/second-factor");
    chromium.types("[data-ask=make] [name=name]", "同じ電話");
    chromium.clicks("[data-ask=make] button");
    chromium.says("追加済みです");
    assert_eq!(chromium.passkeys(&device).len(), 1);

    // The password alone, or the passkey beside a wrong one: the same answer, as for somebody who is not there.
    chromium.open("/");
    log_out(&chromium);
    let nobody = Person {
        address: "nobody@city.example".to_owned(),
        ..tanaka.clone()
    };
    for (who, password, button) in [
        (&tanaka, CHOSEN, LOG_IN),
        (&tanaka, "wrong", LOG_IN),
        (&tanaka, "wrong", WITH_PASSKEY),
        (&nobody, CHOSEN, WITH_PASSKEY),
    ] {
        log_in(&chromium, who, password, button);
        chromium.says(REFUSED);
        chromium.open("/");
    }
    keep_what_is_sent(&chromium);
    log_in(&chromium, &tanaka, CHOSEN, WITH_PASSKEY);
    chromium.is_at("/");
    chromium.says("最近のログイン");
    let heard = sent(&chromium);
    let logins = site.events(&[
        "--kind",
        "authentication.succeeded",
        "--actor",
        &tanaka.address,
    ]);
    let last = logins.last().unwrap();
    assert_eq!(&last["detail"]["second_factor"], number);
    assert_eq!(last["detail"]["second_factor_kind"], "passkey");

    // What was sent once opens nothing again: not in this browser, and not in another.
    send(&chromium, &heard);
    chromium.is_at("/login/passkey");
    chromium.says(STALE);
    let thief = Browser::new(&site, "thief");
    let fields: Vec<(&str, &str)> = heard
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
        .collect();
    let shown = thief.send("/login/passkey", &fields);
    assert_eq!(shown.status, 401);
    shown.says(STALE);
    let reasons = reasons(&site);
    assert_eq!(
        reasons,
        [
            "wrong second factor",
            "wrong password",
            "wrong password",
            "unknown",
            "stale-challenge",
            "stale-challenge"
        ]
    );

    // In English, a copy of the device that was used less often.
    chromium.open("/language?to=en");
    let mut copy = chromium.passkeys(&device).pop().unwrap();
    let count = copy["signCount"].as_u64().unwrap();
    copy["signCount"] = json!(0);
    chromium.put(&device, &copy);
    chromium.open("/");
    log_in(&chromium, &tanaka, CHOSEN, WITH_PASSKEY);
    chromium.says("There may be a copy of this passkey's device");
    copy["signCount"] = json!(count);
    chromium.put(&device, &copy);
    log_in(&chromium, &tanaka, CHOSEN, WITH_PASSKEY);
    chromium.is_at("/");
    chromium.says("Recent logins");
    chromium.says("refused");

    // The last one stays where one has to be; otherwise it goes, and every session with it.
    chromium.clicks("form[action='/second-factor/remove'] button");
    chromium.says("add another before this one goes");
    let settings = site.settings();
    site.write_settings(&settings.replace("second_factor = \"everyone\"", ""));
    site.stop();
    site.serve();
    chromium.open("/");
    chromium.says("Your session has ended");
    log_in(&chromium, &tanaka, CHOSEN, WITH_PASSKEY);
    chromium.is_at("/");
    chromium.says("Recent logins");
    chromium.clicks("form[action='/second-factor/remove'] button");
    chromium.says("Your session has ended");
    let removed = site.events(&["--kind", "account.second-factor-removed"]);
    assert_eq!(removed.len(), 1);
    assert_eq!(&removed[0]["detail"]["second_factor"], number);
    log_in(&chromium, &tanaka, CHOSEN, LOG_IN);
    chromium.is_at("/");
    assert!(!site.log().contains(CHOSEN));
}

#[test]
fn without_a_script_all_else_works_and_the_page_says_so() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let browser = Browser::new(&site, "tanaka");
    let page = browser.open("/");
    page.says("<noscript>");
    page.says("JavaScriptを有効に");
    let heads = browser.heads("/passkey.js", &[]).to_ascii_lowercase();
    for told in [
        "content-type: text/javascript",
        "content-security-policy: default-src 'none'; script-src 'self';",
        "x-content-type-options: nosniff",
    ] {
        assert!(heads.contains(told), "{told}: {heads}");
    }
    // The form that only a script can fill, filled by hand.
    for (ticket, credential, status) in [("", "", 401), ("AAAA", "AAAA", 401), ("", "=", 422)] {
        let fields = [
            ("identifier", tanaka.address.as_str()),
            ("password", tanaka.password.as_str()),
            ("ticket", ticket),
            ("credential", credential),
            ("user", ""),
            ("client_data", ""),
            ("authenticator_data", ""),
            ("signature", ""),
        ];
        let shown = browser.send("/login/passkey", &fields);
        assert_eq!(shown.status, status, "{ticket} {credential}");
    }
    let shown = browser.log_in(&tanaka.address, &tanaka.password, "");
    assert_eq!((shown.status, shown.path.as_str()), (200, "/password"));
}

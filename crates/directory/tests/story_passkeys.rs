//! Passkeys beside codes: added by the holder, asked for on the pages, one answer good once (clauses 4.1, 7.1(1)).
#![allow(clippy::unwrap_used)]

mod site;

use std::time::Duration;

use directory::{
    Attempt, Login, PasskeyRefusal, Refusal, SecondFactor, Service,
    command::{
        Caller, CommandError, account,
        passkey::{self, Offer},
        second_factor,
    },
    passkey::{ALGORITHMS, Assertion, Fault, Place},
};
use site::{Site, device::Device};
use trail::Kind;
use world::Clock as _;

const TARO: &str = "taro@example.jp";
const CHOSEN: &str = "Nagai-Michi-9";
/// What a browser's cookie holds.
const WHOSE: &str = "a cookie";
const ES256: i32 = -7;

fn place() -> Place {
    Place {
        name: "mail.example.jp".to_owned(),
        origin: "https://mail.example.jp".to_owned(),
    }
}

fn attempt() -> Attempt {
    Attempt {
        service: Service::Web,
        protocol: "https",
        ..site::attempt("FORM")
    }
}

/// A site where taro has chosen a password.
async fn with_taro() -> (Site, Caller) {
    let mut site = Site::open().await;
    site.options.free_failures = 1000;
    site.directory.reload(site.options.clone());
    site.issue("taro", TARO).await;
    let taro = site.caller("taro").await;
    let chosen = Some(CHOSEN.into());
    account::password(&taro, TARO, chosen).await.unwrap();
    (site, taro)
}

async fn add(taro: &Caller, device: &Device, offer: &Offer) -> Result<i64, CommandError> {
    let registration = device.registers(&place(), &offer.challenge.written());
    let added = passkey::add(taro, TARO, "phone", offer, &registration).await?;
    Ok(added.number)
}

/// A device with a passkey of taro's, and the passkey's number.
async fn with_passkey(taro: &Caller, algorithm: i32) -> (Device, i64) {
    let offer = passkey::offer(taro, TARO).await.unwrap();
    let device = Device::new(algorithm, &offer.user);
    let number = add(taro, &device, &offer).await.unwrap();
    (device, number)
}

async fn show(
    site: &Site,
    password: &str,
    ticket: &str,
    assertion: &Assertion,
) -> Result<Login, Refusal> {
    let (password, answer) = (password.as_bytes(), assertion.clone());
    site.directory
        .authenticate_with_passkey(&attempt(), TARO, password, (ticket, WHOSE), answer)
        .await
}

/// A login from the page to its end.
async fn log_in(site: &Site, password: &str, device: &mut Device) -> Result<Login, Refusal> {
    let (challenge, ticket) = site.directory.passkey_challenge(WHOSE);
    let assertion = device.answers(&place(), &challenge.written());
    show(site, password, &ticket, &assertion).await
}

#[tokio::test]
async fn a_passkey_is_added_used_and_removed_whatever_its_algorithm() {
    for algorithm in ALGORITHMS {
        let (site, taro) = with_taro().await;
        let (mut device, number) = with_passkey(&taro, algorithm).await;
        let added = site.last_event(Kind::SecondFactorAdded).await.event;
        assert_eq!(added.detail["second_factor_kind"], "passkey");
        assert_eq!(added.detail["second_factor"], number);
        let before = site.login(TARO, &CHOSEN.into()).await;
        assert_eq!(before.unwrap_err(), Refusal::Credentials, "not by itself");
        let listed = second_factor::list(&taro, TARO).await.unwrap();
        assert_eq!(
            (listed[0].kind.as_str(), listed[0].used_at),
            ("passkey", None)
        );

        let login = log_in(&site, CHOSEN, &mut device).await.unwrap();
        let event = site.last_event(Kind::AuthenticationSucceeded).await.event;
        assert_eq!(event.detail["second_factor"], number);
        assert_eq!(event.detail["second_factor_kind"], "passkey");
        let listed = second_factor::list(&taro, TARO).await.unwrap();
        assert_eq!(listed[0].used_at, Some(site.clock.now()));

        second_factor::remove(&taro, TARO, number).await.unwrap();
        assert!(!site.directory.still_valid(&login).await.unwrap());
        site.login(TARO, &CHOSEN.into()).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_counts_once_for_its_browser_and_for_ten_minutes() {
    let (site, taro) = with_taro().await;
    let (mut device, _) = with_passkey(&taro, ES256).await;
    let (challenge, ticket) = site.directory.passkey_challenge(WHOSE);
    let assertion = device.answers(&place(), &challenge.written());
    show(&site, CHOSEN, &ticket, &assertion).await.unwrap();
    let again = show(&site, CHOSEN, &ticket, &assertion).await;
    let stale = Refusal::Passkey(PasskeyRefusal::Stale);
    assert_eq!(again.unwrap_err(), stale);
    assert_eq!(site.last_reason().await, "stale-challenge");
    // With a new ticket, the old answer is to another challenge; of its device's counter nothing is asked then.
    let (_, fresh) = site.directory.passkey_challenge(WHOSE);
    let replayed = show(&site, CHOSEN, &fresh, &assertion).await;
    assert_eq!(replayed.unwrap_err(), Refusal::Credentials);
    assert_eq!(site.last_reason().await, "wrong second factor");

    let (challenge, ticket) = site.directory.passkey_challenge("another cookie");
    let assertion = device.answers(&place(), &challenge.written());
    let stolen = show(&site, CHOSEN, &ticket, &assertion).await;
    assert_eq!(stolen.unwrap_err(), stale);
    let (challenge, ticket) = site.directory.passkey_challenge(WHOSE);
    let assertion = device.answers(&place(), &challenge.written());
    site.clock.advance(Duration::from_secs(600));
    let late = show(&site, CHOSEN, &ticket, &assertion).await;
    assert_eq!(late.unwrap_err(), stale);
    log_in(&site, CHOSEN, &mut device).await.unwrap();
}

#[tokio::test]
async fn nothing_tells_that_the_password_was_right() {
    let (site, taro) = with_taro().await;
    let (mut device, _) = with_passkey(&taro, ES256).await;
    let mut other = Device::new(ES256, &device.user);
    for (password, right, reason) in [
        ("wrong", true, "wrong password"),
        ("wrong", false, "wrong password"),
        (CHOSEN, false, "wrong second factor"),
    ] {
        let device = if right { &mut device } else { &mut other };
        let refused = log_in(&site, password, device).await;
        assert_eq!(refused.unwrap_err(), Refusal::Credentials);
        assert_eq!(site.last_reason().await, reason);
    }
    // An answer beside a wrong password is used up.
    let (challenge, ticket) = site.directory.passkey_challenge(WHOSE);
    let assertion = device.answers(&place(), &challenge.written());
    show(&site, "wrong", &ticket, &assertion).await.unwrap_err();
    let again = show(&site, CHOSEN, &ticket, &assertion).await;
    assert_eq!(again.unwrap_err(), Refusal::Passkey(PasskeyRefusal::Stale));
    // Wrong passkeys count as wrong codes do: the sixth in a row is not looked at.
    for _ in 0..5 {
        log_in(&site, CHOSEN, &mut other).await.unwrap_err();
    }
    let held = log_in(&site, CHOSEN, &mut device).await;
    assert_eq!(held.unwrap_err(), Refusal::Credentials);
    assert_eq!(site.last_reason().await, "too many wrong second factors");
}

#[tokio::test]
async fn a_copied_device_is_refused_in_clear_words() {
    let (site, taro) = with_taro().await;
    let (mut device, _) = with_passkey(&taro, ES256).await;
    for _ in 0..3 {
        log_in(&site, CHOSEN, &mut device).await.unwrap();
    }
    device.counter = 1;
    let copied = log_in(&site, CHOSEN, &mut device).await;
    let refusal = Refusal::Passkey(PasskeyRefusal::Copied);
    assert_eq!(copied.unwrap_err(), refusal);
    let reason = site.last_reason().await;
    assert_eq!(reason, "the passkey's counter has gone back");
    let wrong = log_in(&site, "wrong", &mut device).await;
    assert_eq!(wrong.unwrap_err(), Refusal::Credentials);
}

#[tokio::test]
async fn a_passkey_is_added_by_its_holder_on_a_fresh_page_and_once() {
    let (site, taro) = with_taro().await;
    let manager = site.caller("manager").await;
    let refused = passkey::offer(&manager, TARO).await;
    assert!(matches!(refused.unwrap_err(), CommandError::OnlyHolder(_)));
    let offer = passkey::offer(&taro, TARO).await.unwrap();
    assert!(offer.present.is_empty());
    let device = Device::new(ES256, &offer.user);
    let refused = add(&manager, &device, &offer).await;
    assert!(matches!(refused.unwrap_err(), CommandError::OnlyHolder(_)));
    let fault = |refused: Result<i64, CommandError>| match refused.unwrap_err() {
        CommandError::Passkey(fault) => fault,
        other => panic!("{other}"),
    };
    assert_eq!(
        fault(add(&taro, &device, &offer).await),
        Fault::Stale,
        "spent"
    );
    let offer = passkey::offer(&taro, TARO).await.unwrap();
    site.clock.advance(Duration::from_secs(600));
    assert_eq!(
        fault(add(&taro, &device, &offer).await),
        Fault::Stale,
        "late"
    );

    let (device, _) = with_passkey(&taro, ES256).await;
    let offer = passkey::offer(&taro, TARO).await.unwrap();
    assert_eq!(offer.user, device.user, "one account, one user handle");
    assert_eq!(offer.present, std::slice::from_ref(&device.credential));
    let twice = add(&taro, &device, &offer).await;
    assert_eq!(fault(twice), Fault::Duplicate);
    let event = site.last_event(Kind::CommandGiven).await.event;
    let reason = event.detail["reason"].as_str().unwrap();
    assert!(reason.contains("there already"), "{reason}");
    // As many as there may be, of any kind.
    for _ in 1..second_factor::MOST {
        with_passkey(&taro, -8).await;
    }
    let offer = passkey::offer(&taro, TARO).await.unwrap();
    let more = add(&taro, &Device::new(ES256, &offer.user), &offer).await;
    assert!(matches!(more.unwrap_err(), CommandError::State(_)));
}

#[tokio::test]
async fn who_has_to_have_a_second_factor_may_have_a_passkey() {
    let (mut site, taro) = with_taro().await;
    site.options.second_factor = SecondFactor::Everyone;
    site.directory.reload(site.options.clone());
    let (mut device, number) = with_passkey(&taro, ES256).await;
    let login = log_in(&site, CHOSEN, &mut device).await.unwrap();
    let standing = site.directory.standing(&login).await.unwrap().unwrap();
    assert!(standing.second_factor_needed);
    assert_eq!(standing.second_factors.len(), 1);
    let removed = second_factor::remove(&taro, TARO, number).await;
    assert!(removed.unwrap_err().to_string().contains("add another"));
    // The other passkey opens as well, and a code does not: there is no device for one.
    let (mut other, _) = with_passkey(&taro, -8).await;
    log_in(&site, CHOSEN, &mut other).await.unwrap();
    log_in(&site, CHOSEN, &mut device).await.unwrap();
    let (code, password) = ("123456".into(), CHOSEN.as_bytes());
    let attempt = attempt();
    let refused = site
        .directory
        .authenticate_with_code(&attempt, TARO, password, &code)
        .await;
    assert_eq!(refused.unwrap_err(), Refusal::Credentials);
    second_factor::remove(&taro, TARO, number).await.unwrap();
    log_in(&site, CHOSEN, &mut device).await.unwrap_err();
}

#[tokio::test]
async fn an_account_with_both_kinds_shows_either() {
    let (site, taro) = with_taro().await;
    let (mut device, _) = with_passkey(&taro, ES256).await;
    let offer = second_factor::offer(&site.directory, TARO, "mail.example.jp");
    let first = site.code(&offer.secret);
    let added = second_factor::add(&taro, TARO, "old phone", &offer.secret, &first).await;
    let number = added.unwrap().number;
    log_in(&site, CHOSEN, &mut device).await.unwrap();
    let listed = second_factor::list(&taro, TARO).await.unwrap();
    let kinds: Vec<&str> = listed.iter().map(|view| view.kind.as_str()).collect();
    assert_eq!(kinds, ["passkey", "totp"]);
    site.clock.advance(Duration::from_secs(60));
    let (code, attempt) = (site.code(&offer.secret).into(), attempt());
    let by_code = || {
        let password = CHOSEN.as_bytes();
        let directory = &site.directory;
        directory.authenticate_with_code(&attempt, TARO, password, &code)
    };
    by_code().await.unwrap();
    let event = site.last_event(Kind::AuthenticationSucceeded).await.event;
    assert_eq!(event.detail["second_factor"], number);
    assert_eq!(event.detail["second_factor_kind"], "totp");
    assert_eq!(by_code().await.unwrap_err(), Refusal::Credentials, "once");
}

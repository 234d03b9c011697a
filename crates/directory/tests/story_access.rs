//! What lets an identifier in beside its password: app passwords and second factors (clauses 4.1, 7.1).
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::time::Duration;

use directory::{
    Attempt, Refusal, Role, SecondFactor, Service,
    command::{
        Alone, Caller, CommandError, account, app_password,
        app_password::{MOST, Wish},
        incident, own, person, reading, role, second_factor, shared,
    },
};
use protocol::sasl::{
    ChannelBindings, Mechanism, Nonce, Secret, client,
    server::{Exchange, Step},
};
use site::{PEER, Site, attempt};
use trail::Kind;
use world::Clock as _;

const TARO: &str = "taro@example.jp";
const CHOSEN: &str = "長い道のり9-ミチ";

fn wish(name: &str) -> Wish {
    Wish {
        name: name.to_owned(),
        msa: true,
        mra: true,
        expires_at: None,
    }
}

fn at(service: Service, mechanism: &'static str) -> Attempt {
    Attempt {
        service,
        ..attempt(mechanism)
    }
}

/// A site that answers failures at once.
async fn patient_site() -> Site {
    let mut site = Site::open().await;
    site.options.free_failures = 1000;
    site.directory.reload(site.options.clone());
    site
}

/// taro with an account and a password of his own choice.
async fn taro(site: &Site) -> Caller {
    site.issue("taro", TARO).await;
    let taro = site.caller("taro").await;
    let chosen = Some(CHOSEN.into());
    account::password(&taro, TARO, chosen).await.unwrap();
    taro
}

/// A whole SCRAM exchange.
async fn scram(
    site: &Site,
    service: Service,
    password: &Secret,
) -> Result<directory::Login, Refusal> {
    let nonce = |n| Nonce::new([n; Nonce::RANDOM_LEN]);
    let none = ChannelBindings::none;
    let login = client::Login {
        identity: TARO.to_owned(),
        password: password.clone(),
        nonce: nonce(1),
        bindings: none(),
        plus_offered: false,
    };
    let mut client = client::Exchange::new(Mechanism::ScramSha256, login).unwrap();
    let mut server = Exchange::new(Mechanism::ScramSha256, nonce(2), none(), false);
    let attempt = at(service, "SCRAM-SHA-256");
    let mut step = server.start(client.initial().as_ref());
    let mut under_way = None;
    loop {
        step = match step {
            Step::Challenge(challenge) => server.respond(&client.respond(&challenge).unwrap()),
            Step::Credentials { identity } => {
                let begun = site.directory.begin_scram(&attempt, &identity).await?;
                under_way = Some(begun.0);
                server.credentials(begun.1)
            }
            Step::Proved { password, .. } => {
                return under_way.take().unwrap().proved(password).await;
            }
            Step::Failed { failure, .. } => return Err(under_way.unwrap().failed(failure).await),
            other => panic!("{other:?}"),
        };
    }
}

async fn plain(
    site: &Site,
    service: Service,
    password: &Secret,
) -> Result<directory::Login, Refusal> {
    let attempt = at(service, "PLAIN");
    let password = password.expose();
    site.directory.authenticate(&attempt, TARO, password).await
}

#[tokio::test]
async fn an_app_password_opens_what_it_is_for_by_any_mechanism() {
    let site = patient_site().await;
    let taro = taro(&site).await;
    let phone = app_password::add(&taro, TARO, wish("スマートフォン")).await;
    let phone = phone.unwrap();
    let printer = Wish {
        mra: false,
        ..wish("複合機")
    };
    let printer = app_password::add(&taro, TARO, printer).await.unwrap();
    let before = site.directory.hashes_computed();
    for service in [Service::Mra, Service::Msa] {
        plain(&site, service, &phone.password).await.unwrap();
        scram(&site, service, &phone.password).await.unwrap();
    }
    assert_eq!(site.directory.hashes_computed(), before, "no Argon2id");
    let login = plain(&site, Service::Msa, &printer.password).await.unwrap();
    assert_eq!(login.app_password, Some(printer.number));
    let event = site.last_event(Kind::AuthenticationSucceeded).await.event;
    assert_eq!(event.detail.get("app_password_name").unwrap(), "複合機");
    for refused in [
        plain(&site, Service::Mra, &printer.password).await,
        scram(&site, Service::Mra, &printer.password).await,
        plain(&site, Service::Web, &phone.password).await,
    ] {
        assert_eq!(refused.unwrap_err(), Refusal::Credentials);
        assert_eq!(site.last_reason().await, "not permitted for this service");
    }
    // The account's own password stands beside them, by any mechanism too, and after it was changed again.
    let next = Secret::from("別の長い道8-ベツ");
    for (password, chosen) in [(Secret::from(CHOSEN), Some(next.clone())), (next, None)] {
        plain(&site, Service::Mra, &password).await.unwrap();
        scram(&site, Service::Mra, &password).await.unwrap();
        scram(&site, Service::Msa, &phone.password).await.unwrap();
        if chosen.is_some() {
            account::password(&taro, TARO, chosen).await.unwrap();
        }
    }
    let listed = app_password::list(&taro, TARO).await.unwrap();
    let told: Vec<_> = listed
        .iter()
        .map(|app| (app.name.as_str(), app.msa, app.mra, app.used_from.clone()))
        .collect();
    let from = Some(PEER.to_string());
    assert_eq!(
        told,
        [
            ("スマートフォン", true, true, from.clone()),
            ("複合機", true, false, from)
        ]
    );
}

#[tokio::test]
async fn an_app_password_ends_when_it_is_given_up_or_over() {
    let site = patient_site().await;
    let taro = taro(&site).await;
    let day = site
        .clock
        .now()
        .checked_add(jiff::SignedDuration::from_hours(24));
    let short = Wish {
        expires_at: day.ok(),
        ..wish("trip")
    };
    let short = app_password::add(&taro, TARO, short).await.unwrap();
    let lost = app_password::add(&taro, TARO, wish("lost phone")).await;
    let lost = lost.unwrap();
    let (by_short, by_lost) = (
        plain(&site, Service::Mra, &short.password).await.unwrap(),
        scram(&site, Service::Mra, &lost.password).await.unwrap(),
    );
    let holds = async |login| site.directory.still_valid(login).await.unwrap();
    assert!(holds(&by_short).await && holds(&by_lost).await);
    let guard = site.caller("guard").await;
    app_password::revoke(&guard, TARO, lost.number)
        .await
        .unwrap();
    assert!(holds(&by_short).await && !holds(&by_lost).await);
    for refused in [
        plain(&site, Service::Mra, &lost.password).await,
        scram(&site, Service::Mra, &lost.password).await,
    ] {
        assert_eq!(refused.unwrap_err(), Refusal::Credentials);
        assert_eq!(site.last_reason().await, "wrong password");
    }
    assert_eq!(app_password::expire(&site.directory).await.unwrap(), 0);
    site.days(1);
    assert!(!holds(&by_short).await);
    for refused in [
        plain(&site, Service::Mra, &short.password).await,
        scram(&site, Service::Mra, &short.password).await,
    ] {
        assert_eq!(refused.unwrap_err(), Refusal::Credentials);
    }
    assert_eq!(app_password::expire(&site.directory).await.unwrap(), 1);
    let revoked = site.events(Kind::AppPasswordRevoked).await;
    let why: Vec<_> = revoked
        .iter()
        .map(|recorded| recorded.event.detail.get("why").unwrap().clone())
        .collect();
    assert_eq!(why, ["command", "expired"]);
    assert!(app_password::list(&taro, TARO).await.unwrap().is_empty());
    // An incident gives all of them up: whoever had the password could have made one.
    app_password::add(&taro, TARO, wish("new phone"))
        .await
        .unwrap();
    let open = incident::Open {
        kind: incident::IncidentKind::Credential,
        name: Some(TARO.to_owned()),
        reason: "stolen".to_owned(),
        since: None,
        peer: None,
    };
    incident::open(&guard, open).await.unwrap();
    let left = app_password::list(&guard, TARO).await.unwrap();
    assert!(left.is_empty());
}

#[tokio::test]
async fn only_the_holder_makes_app_passwords_and_only_so_many() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let taro_himself = site.caller("taro").await;
    let early = app_password::add(&taro_himself, TARO, wish("phone")).await;
    assert!(matches!(early.unwrap_err(), CommandError::State(_)));
    let chosen = Some(CHOSEN.into());
    account::password(&taro_himself, TARO, chosen)
        .await
        .unwrap();
    for other in ["manager", "chief", "guard", "jiro", "nobody"] {
        let other = site.caller(other).await;
        let refused = app_password::add(&other, TARO, wish("mine")).await;
        let refused = refused.unwrap_err();
        let known = matches!(
            refused,
            CommandError::OnlyHolder(_) | CommandError::Nobody(_)
        );
        assert!(known, "{refused}");
    }
    let jiro = site.caller("jiro").await;
    let refused = app_password::list(&jiro, TARO).await;
    assert!(matches!(
        refused.unwrap_err(),
        CommandError::NotPermitted(_)
    ));
    for n in 0..MOST {
        let name = format!("device {n}");
        app_password::add(&taro_himself, TARO, wish(&name))
            .await
            .unwrap();
    }
    let more = app_password::add(&taro_himself, TARO, wish("more")).await;
    assert!(more.unwrap_err().to_string().contains("25"));
    for (name, msa) in [("", true), ("a\u{7}", true), ("x", false)] {
        let wrong = Wish {
            msa,
            mra: msa,
            ..wish(name)
        };
        let wrong = app_password::add(&taro_himself, TARO, wrong).await;
        assert!(matches!(wrong.unwrap_err(), CommandError::Argument(_)));
    }
    // Somebody else's number is no key to it.
    let mine = app_password::list(&taro_himself, TARO).await.unwrap();
    site.issue("jiro", "jiro@example.jp").await;
    let number = mine.first().unwrap().number;
    let refused = app_password::revoke(&jiro, "jiro@example.jp", number).await;
    assert!(matches!(refused.unwrap_err(), CommandError::NoSuch { .. }));
}

async fn on_the_pages(
    site: &Site,
    password: &str,
    code: &str,
) -> Result<directory::Login, Refusal> {
    let attempt = at(Service::Web, "FORM");
    let code = Secret::from(code);
    let password = password.as_bytes();
    site.directory
        .authenticate_with_code(&attempt, TARO, password, &code)
        .await
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_counts_once() {
    let site = patient_site().await;
    let taro = taro(&site).await;
    on_the_pages(&site, CHOSEN, "").await.unwrap();
    let offer = second_factor::offer(&site.directory, TARO, "mail.example.jp");
    let address = offer.address.expose_str().unwrap();
    assert!(address.starts_with("otpauth://totp/mail.example.jp:taro@example.jp?secret="));
    let wrong = second_factor::add(&taro, TARO, "phone", &offer.secret, "000000").await;
    assert!(matches!(wrong.unwrap_err(), CommandError::WrongCode));
    let forged = Secret::from("AAAA");
    let wrong = second_factor::add(&taro, TARO, "phone", &forged, "000000").await;
    assert!(matches!(wrong.unwrap_err(), CommandError::Argument(_)));
    let manager = site.caller("manager").await;
    let shown = site.code(&offer.secret);
    let other = second_factor::add(&manager, TARO, "mine", &offer.secret, &shown).await;
    assert!(matches!(other.unwrap_err(), CommandError::OnlyHolder(_)));
    let added = second_factor::add(&taro, TARO, "phone", &offer.secret, &shown).await;
    let number = added.unwrap().number;

    // The code that added it is used up, a wrong or missing one is no better, and a new one counts once.
    for code in [shown.as_str(), "", "123456x"] {
        let refused = on_the_pages(&site, CHOSEN, code).await;
        assert_eq!(refused.unwrap_err(), Refusal::Credentials);
        assert_eq!(site.last_reason().await, "wrong second factor");
    }
    site.clock.advance(Duration::from_secs(60));
    let next = site.code(&offer.secret);
    let login = on_the_pages(&site, CHOSEN, &next).await.unwrap();
    let again = on_the_pages(&site, CHOSEN, &next).await;
    assert_eq!(again.unwrap_err(), Refusal::Credentials);
    site.clock.advance(Duration::from_secs(60));
    let wrong = on_the_pages(&site, "wrong", &site.code(&offer.secret)).await;
    assert_eq!(wrong.unwrap_err(), Refusal::Credentials);
    assert_eq!(site.last_reason().await, "wrong password");

    // Mail programs need an app password now, and are not told why the password alone is refused.
    for refused in [
        plain(&site, Service::Mra, &CHOSEN.into()).await,
        scram(&site, Service::Msa, &CHOSEN.into()).await,
    ] {
        assert_eq!(refused.unwrap_err(), Refusal::Credentials);
        let reason = site.last_reason().await;
        assert_eq!(reason, "the password alone, where there is a second factor");
    }
    let phone = app_password::add(&taro, TARO, wish("phone")).await.unwrap();
    plain(&site, Service::Mra, &phone.password).await.unwrap();

    // The device is lost: an account manager removes it, and what was proved with it does not hold any more.
    let removed = second_factor::remove(&site.caller("guard").await, TARO, number).await;
    assert!(matches!(
        removed.unwrap_err(),
        CommandError::NotPermitted(_)
    ));
    second_factor::remove(&manager, TARO, number).await.unwrap();
    assert!(!site.directory.still_valid(&login).await.unwrap());
    plain(&site, Service::Mra, &CHOSEN.into()).await.unwrap();
    assert_eq!(site.events(Kind::SecondFactorRemoved).await.len(), 1);
}

#[tokio::test]
async fn who_has_to_have_a_second_factor_is_told_and_keeps_it() {
    let mut site = Site::open().await;
    site.issue("guard", "guard@example.jp").await;
    let guard = site.caller("guard").await;
    taro(&site).await;
    let missing = second_factor::missing(&site.directory).await.unwrap();
    assert_eq!(missing, ["guard@example.jp"]);
    let chosen = Some(CHOSEN.into());
    account::password(&guard, "guard@example.jp", chosen)
        .await
        .unwrap();
    let offer = second_factor::offer(&site.directory, "guard@example.jp", "h");
    let shown = site.code(&offer.secret);
    let name = "guard@example.jp";
    let added = second_factor::add(&guard, name, "phone", &offer.secret, &shown).await;
    let removed = second_factor::remove(&guard, name, added.unwrap().number).await;
    assert!(removed.unwrap_err().to_string().contains("add another"));
    assert!(
        second_factor::missing(&site.directory)
            .await
            .unwrap()
            .is_empty()
    );
    // Nor does one who may take it from others take the last of their own.
    let (manager, own) = (site.caller("manager").await, "manager@example.jp");
    site.issue("manager", own).await;
    account::password(&manager, own, Some(CHOSEN.into()))
        .await
        .unwrap();
    let offer = second_factor::offer(&site.directory, own, "h");
    let shown = site.code(&offer.secret);
    let added = second_factor::add(&manager, own, "phone", &offer.secret, &shown).await;
    let number = added.unwrap().number;
    let removed = second_factor::remove(&manager, own, number).await;
    assert!(removed.unwrap_err().to_string().contains("add another"));
    let chief = site.caller("chief").await;
    role::grant(&chief, "jiro", Role::AccountManager)
        .await
        .unwrap();
    let jiro = site.caller("jiro").await;
    second_factor::remove(&jiro, own, number).await.unwrap();

    site.options.second_factor = SecondFactor::Optional;
    site.directory.reload(site.options.clone());
    let number = second_factor::list(&guard, name).await.unwrap()[0].number;
    second_factor::remove(&guard, name, number).await.unwrap();
}

#[tokio::test]
async fn an_initial_password_opens_only_the_page_where_it_is_changed() {
    let mut site = patient_site().await;
    site.options.initial_only_to_change = true;
    site.directory.reload(site.options.clone());
    let initial = site.issue("taro", TARO).await;
    for refused in [
        plain(&site, Service::Mra, &initial).await,
        scram(&site, Service::Msa, &initial).await,
    ] {
        assert_eq!(refused.unwrap_err(), Refusal::InitialPassword);
        let reason = site.last_reason().await;
        assert_eq!(reason, "the initial password must be changed first");
    }
    let wrong = plain(&site, Service::Mra, &"wrong".into()).await;
    assert_eq!(wrong.unwrap_err(), Refusal::Credentials, "nothing is told");
    let initial = initial.expose_str().unwrap().to_owned();
    let login = on_the_pages(&site, &initial, "").await.unwrap();
    let standing = site.directory.standing(&login).await.unwrap().unwrap();
    assert!(standing.must_change_password);
    let taro = site.caller("taro").await;
    account::password(&taro, TARO, Some(CHOSEN.into()))
        .await
        .unwrap();
    assert!(site.directory.standing(&login).await.unwrap().is_none());
    plain(&site, Service::Mra, &CHOSEN.into()).await.unwrap();
}

#[tokio::test]
async fn holders_see_their_own_logins_the_newest_first() {
    let site = patient_site().await;
    let taro = taro(&site).await;
    let began = site.clock.now();
    for n in 0..600 {
        site.clock.advance(Duration::from_secs(1));
        let attempt = Attempt {
            client: Some(format!("client {n}")),
            ..at(Service::Mra, "PLAIN")
        };
        let proof = site
            .directory
            .authenticate(&attempt, TARO, CHOSEN.as_bytes());
        proof.await.unwrap();
    }
    let wrong = plain(&site, Service::Msa, &"wrong".into()).await;
    wrong.unwrap_err();
    let seen = own::logins(&taro, TARO, began, 3).await.unwrap();
    let told: Vec<_> = seen
        .iter()
        .map(|login| (login.success, login.client.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(
        told,
        [(false, "test"), (true, "client 599"), (true, "client 598")]
    );
    let jiro = site.caller("jiro").await;
    let refused = own::logins(&jiro, TARO, began, 3).await;
    assert!(matches!(
        refused.unwrap_err(),
        CommandError::NotPermitted(_)
    ));
}

const OFFICE: &str = "office@example.jp";

/// The whole chain of a decision to share `OFFICE`.
async fn shared_by(site: &Site, users: &[&str], days: i64) -> Result<(), CommandError> {
    let review = jiff::SignedDuration::from_hours(24 * days);
    let wish = shared::ShareOrder {
        address: site::address(OFFICE),
        users: users.iter().map(|name| (*name).to_owned()).collect(),
        review_at: site.clock.now().checked_add(review).unwrap(),
    };
    let number = shared::order(&site.caller("chief").await, wish).await?;
    site.approve(number).await;
    let manager = site.caller("manager").await;
    shared::share(&manager, number, Alone(site.store.clone()))
        .await
        .map(drop)
}

async fn office(
    site: &Site,
    service: Service,
    password: &Secret,
) -> Result<directory::Login, Refusal> {
    let attempt = at(service, "PLAIN");
    let password = password.expose();
    site.directory
        .authenticate(&attempt, OFFICE, password)
        .await
}

#[tokio::test]
async fn a_shared_identifier_names_who_it_was_and_ends_without_review() {
    let site = patient_site().await;
    let initial = site.issue("taro", OFFICE).await;
    office(&site, Service::Mra, &initial).await.unwrap();
    // What its holder alone has used is not opened to others behind the holder's back.
    let behind = shared_by(&site, &["jiro", "clerk"], 30).await.unwrap_err();
    assert!(behind.to_string().contains("name taro among"), "{behind}");
    shared_by(&site, &["taro", "jiro"], 30).await.unwrap();
    // It has no password any more, and gets none.
    let refused = office(&site, Service::Mra, &initial).await;
    assert_eq!(refused.unwrap_err(), Refusal::Credentials);
    let manager = site.caller("manager").await;
    let none = account::password(&manager, OFFICE, None).await.unwrap_err();
    assert!(none.to_string().contains("is shared"), "{none}");
    // Each of those who use it makes a secret; nobody else does.
    let (taro, jiro) = (site.caller("taro").await, site.caller("jiro").await);
    let by_taro = app_password::add(&taro, OFFICE, wish("desk"))
        .await
        .unwrap();
    let by_jiro = app_password::add(&jiro, OFFICE, wish("desk"))
        .await
        .unwrap();
    for other in ["guard", "manager", "clerk"] {
        let refused = app_password::add(&site.caller(other).await, OFFICE, wish("x")).await;
        assert!(matches!(refused.unwrap_err(), CommandError::OnlyHolder(_)));
    }
    let login = office(&site, Service::Mra, &by_jiro.password)
        .await
        .unwrap();
    assert_eq!(login.person.as_deref(), Some("jiro"));
    let event = site.last_event(Kind::AuthenticationSucceeded).await.event;
    assert_eq!(event.detail.get("person").unwrap(), "jiro");
    let foreign = app_password::revoke(&taro, OFFICE, by_jiro.number).await;
    assert!(matches!(foreign.unwrap_err(), CommandError::NoSuch { .. }));

    // One who has left, and one who does not use it any more, are out at once.
    person::leave(&site.caller("clerk").await, "jiro")
        .await
        .unwrap();
    assert!(!site.directory.still_valid(&login).await.unwrap());
    let refused = office(&site, Service::Mra, &by_jiro.password).await;
    assert_eq!(refused.unwrap_err(), Refusal::Credentials);
    let gone = shared_by(&site, &["jiro"], 30).await.unwrap_err();
    assert!(gone.to_string().contains("has left"), "{gone}");
    shared_by(&site, &["clerk"], 30).await.unwrap();
    // It does not become its holder's, who does not share it, and would read what came to others.
    let refused = shared::unshare(&manager, OFFICE).await.unwrap_err();
    assert!(refused.to_string().contains("order shared"), "{refused}");
    let refused = office(&site, Service::Msa, &by_taro.password).await;
    assert_eq!(refused.unwrap_err(), Refusal::Credentials);
    let clerk = site.caller("clerk").await;
    let by_clerk = app_password::add(&clerk, OFFICE, wish("desk"))
        .await
        .unwrap();
    let login = office(&site, Service::Msa, &by_clerk.password)
        .await
        .unwrap();

    // The day of review comes: first a warning, then the end, until there is a new decision.
    assert!(shared::sweep(&site.directory).await.unwrap().is_empty());
    site.days(29);
    let warned = shared::sweep(&site.directory).await.unwrap();
    assert_eq!(warned[0].identifier, OFFICE);
    let warn = warned[0].clone();
    let note = move |tx: &mut store::Tx<'_>| shared::note_warning(tx, &warn, true);
    site.store.commit(Vec::new(), note).await.unwrap();
    site.days(2);
    assert!(shared::sweep(&site.directory).await.unwrap().is_empty());
    assert!(!site.directory.still_valid(&login).await.unwrap());
    let refused = office(&site, Service::Msa, &by_clerk.password).await;
    assert_eq!(refused.unwrap_err(), Refusal::Credentials);
    assert_eq!(site.last_reason().await, "suspended");
    shared_by(&site, &["clerk", "taro"], 365).await.unwrap();
    account::resume(&site.caller("guard").await, OFFICE)
        .await
        .unwrap();
    let old = office(&site, Service::Msa, &by_clerk.password).await;
    assert_eq!(
        old.unwrap_err(),
        Refusal::Credentials,
        "everybody begins anew"
    );
    let anew = app_password::add(&clerk, OFFICE, wish("desk"))
        .await
        .unwrap();
    office(&site, Service::Msa, &anew.password).await.unwrap();

    shared::unshare(&manager, OFFICE).await.unwrap();
    let refused = office(&site, Service::Msa, &anew.password).await;
    assert_eq!(refused.unwrap_err(), Refusal::Credentials);
    let made = account::password(&manager, OFFICE, None)
        .await
        .unwrap()
        .unwrap();
    office(&site, Service::Msa, &made).await.unwrap();
}

async fn read_by(site: &Site, reader: &str, days: i64) -> i64 {
    let period = jiff::SignedDuration::from_hours(24 * days);
    let wish = reading::ReadOrder {
        address: site::address(TARO),
        reader: reader.to_owned(),
        purpose: "監査第3号".to_owned(),
        until: site.clock.now().checked_add(period).unwrap(),
    };
    let number = reading::order(&site.caller("chief").await, wish).await;
    let number = number.unwrap();
    site.approve(number).await;
    number
}

#[tokio::test]
async fn a_mailbox_is_read_on_an_order_by_one_person_for_one_period() {
    let site = patient_site().await;
    let own = taro(&site).await;
    let number = read_by(&site, "jiro", 7).await;
    let jiro = site.caller("jiro").await;
    let early = app_password::add(&jiro, TARO, wish("reading")).await;
    assert!(matches!(early.unwrap_err(), CommandError::OnlyHolder(_)));
    for refused in ["chief", "deputy", "jiro", "guard"] {
        let refused = site.caller(refused).await;
        reading::open(&refused, number, Alone(site.store.clone()))
            .await
            .unwrap_err();
    }
    let manager = site.caller("manager").await;
    reading::open(&manager, number, Alone(site.store.clone()))
        .await
        .unwrap();
    let opened = site.last_event(Kind::ReadingOpened).await.event;
    assert_eq!(opened.order, Some(number));
    assert_eq!(opened.detail.get("purpose").unwrap(), "監査第3号");
    let secret = app_password::add(&jiro, TARO, wish("reading"))
        .await
        .unwrap();
    let login = plain(&site, Service::Mra, &secret.password).await.unwrap();
    assert_eq!(login.reads_on, Some(number));
    assert_eq!(login.person.as_deref(), Some("jiro"));
    let event = site.last_event(Kind::AuthenticationSucceeded).await.event;
    assert_eq!(event.order, Some(number));
    // For reading, by IMAP, and nothing else; the holder goes on as ever.
    let pop3 = Attempt {
        protocol: "pop3",
        ..at(Service::Mra, "PLAIN")
    };
    let password = secret.password.expose();
    let refused = site.directory.authenticate(&pop3, TARO, password).await;
    assert_eq!(refused.unwrap_err(), Refusal::Credentials);
    let refused = plain(&site, Service::Msa, &secret.password).await;
    assert_eq!(refused.unwrap_err(), Refusal::Credentials);
    let holder = plain(&site, Service::Mra, &CHOSEN.into()).await.unwrap();
    assert_eq!(holder.reads_on, None);
    // Also when the account is suspended; then anew, since nothing that was proved before counts.
    account::suspend(&site.caller("guard").await, TARO, "gone")
        .await
        .unwrap();
    let refused = app_password::add(&own, TARO, wish("phone")).await;
    assert!(matches!(refused.unwrap_err(), CommandError::State(_)));
    let secret = app_password::add(&jiro, TARO, wish("reading"))
        .await
        .unwrap();
    let login = plain(&site, Service::Mra, &secret.password).await.unwrap();
    assert!(site.directory.still_valid(&login).await.unwrap());
    site.days(7);
    assert!(!site.directory.still_valid(&login).await.unwrap());
    let refused = plain(&site, Service::Mra, &secret.password).await;
    assert_eq!(refused.unwrap_err(), Refusal::Credentials);
    assert_eq!(reading::expire(&site.directory).await.unwrap(), 1);
    let late = read_by(&site, "jiro", 1).await;
    site.days(2);
    let refused = reading::open(&manager, late, Alone(site.store.clone()))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("period"), "{refused}");
    let again = read_by(&site, "jiro", 1).await;
    reading::open(&manager, again, Alone(site.store.clone()))
        .await
        .unwrap();
    let guard = site.caller("guard").await;
    reading::end(&guard, TARO, "jiro").await.unwrap();
    assert!(reading::list(&guard).await.unwrap().is_empty());
}

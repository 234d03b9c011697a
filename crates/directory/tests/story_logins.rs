//! Who may come in: every way in, every way it is refused, what it costs, and what the trail says.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::time::Duration;

use directory::{
    Attempt, Refusal, Role, ScramExchange, Service,
    command::{account, role, second_factor},
};
use protocol::sasl::{
    ChannelBindings, Mechanism, Nonce, ScramCredentials, Secret, client,
    server::{Exchange, Failure, Step},
};
use site::{PEER, Site, attempt};
use tokio::time::Instant;
use trail::{Actor, Kind, Outcome};

const TARO: &str = "taro@example.jp";

#[tokio::test]
async fn every_attempt_leaves_its_event() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    site.login("Taro@example.jp", &password).await.unwrap();
    let event = site.last_event(Kind::AuthenticationSucceeded).await.event;
    assert_eq!(event.actor, Actor::Identifier(TARO.into()));
    assert_eq!(event.address, Some(PEER));
    for (name, value) in [
        ("service", "mra"),
        ("protocol", "imap"),
        ("mechanism", "PLAIN"),
        ("client", "test"),
    ] {
        assert_eq!(event.detail.get(name).unwrap(), value);
    }
    assert_eq!(event.detail.get("tls"), Some(&true.into()));

    let wrong = Secret::from("wrong");
    assert_eq!(
        site.login(TARO, &wrong).await.unwrap_err(),
        Refusal::Credentials
    );
    let event = site.last_event(Kind::AuthenticationFailed).await.event;
    assert_eq!(
        (event.subject.as_str(), event.outcome),
        (TARO, Outcome::Refused)
    );
    assert_eq!(site.last_reason().await, "wrong password");
    assert!(!format!("{event:?}").contains("\"wrong\""));
    assert_eq!(
        site.login("hanako@example.jp", &wrong).await.unwrap_err(),
        Refusal::Credentials
    );
    assert_eq!(site.last_reason().await, "unknown");
    let evil = "x\r\ny".repeat(1000);
    assert_eq!(
        site.login(&evil, &wrong).await.unwrap_err(),
        Refusal::Credentials
    );
    let event = site.last_event(Kind::AuthenticationFailed).await.event;
    assert!(event.subject.len() <= 320 && !event.subject.contains('\n'));
    // A bare local part means nothing while there are two domains.
    assert!(site.login("taro", &password).await.is_err());
    let mut one = site.options.clone();
    one.domains.truncate(1);
    site.directory.reload(one);
    site.login("taro", &password).await.unwrap();
}

#[tokio::test]
async fn submission_and_retrieval_have_their_own_switches() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    let before = site.login(TARO, &password).await.unwrap();
    let manager = site.caller("manager").await;
    account::services(&manager, TARO, Some(false), None)
        .await
        .unwrap();
    assert!(!site.directory.still_valid(&before).await.unwrap());
    site.login(TARO, &password).await.unwrap();
    let submit = Attempt {
        service: Service::Msa,
        ..attempt("PLAIN")
    };
    let refused = site
        .directory
        .authenticate(&submit, TARO, password.expose())
        .await;
    assert_eq!(refused.unwrap_err(), Refusal::Credentials);
    assert_eq!(site.last_reason().await, "not permitted for this service");
    account::services(&manager, TARO, Some(true), Some(false))
        .await
        .unwrap();
    site.directory
        .authenticate(&submit, TARO, password.expose())
        .await
        .unwrap();
    assert!(site.login(TARO, &password).await.is_err());
}

#[tokio::test]
async fn a_success_that_cannot_be_recorded_is_no_success() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    site.store.close().await;
    assert_eq!(
        site.login(TARO, &password).await.unwrap_err(),
        Refusal::Temporary
    );
}

#[tokio::test]
async fn unknown_and_known_identifiers_cost_the_same() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let wrong = Secret::from("wrong");
    let mut costs = Vec::new();
    for identifier in [
        TARO,
        "nobody@example.jp",
        "no address at all",
        "a@elsewhere.jp",
    ] {
        let before = site.directory.hashes_computed();
        assert_eq!(
            site.login(identifier, &wrong).await.unwrap_err(),
            Refusal::Credentials
        );
        costs.push(site.directory.hashes_computed() - before);
    }
    assert_eq!(costs, [1, 1, 1, 1]);
}

#[tokio::test]
async fn a_remembered_proof_saves_the_hash_until_anything_changes() {
    let site = Site::open().await;
    let first = site.issue("taro", TARO).await;
    site.login(TARO, &first).await.unwrap();
    let before = site.directory.hashes_computed();
    for _ in 0..5 {
        site.login(TARO, &first).await.unwrap();
    }
    assert_eq!(site.directory.hashes_computed(), before, "remembered");
    assert_eq!(
        site.events(Kind::AuthenticationSucceeded).await.len(),
        6,
        "each has its event"
    );

    let second = Secret::from("Nagai-Michi-9");
    account::password(&site.caller("taro").await, TARO, Some(second.clone()))
        .await
        .unwrap();
    assert!(site.login(TARO, &first).await.is_err());
    site.login(TARO, &second).await.unwrap();
    // Changed by another process: what this one remembers is void too.
    let other = site.restarted();
    let taro = directory::command::Caller::of_user(&other, "taro", "test")
        .await
        .unwrap();
    account::password(&taro, TARO, Some(Secret::from("Mijikai-Michi-8")))
        .await
        .unwrap();
    assert!(site.login(TARO, &second).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_login_passes_with_the_old_password_after_the_change() {
    let site = std::sync::Arc::new(Site::open().await);
    let old = site.issue("taro", TARO).await;
    site.login(TARO, &old).await.unwrap();
    for round in 0..5 {
        let new = Secret::from(format!("Nagai-Michi-{round}"));
        let old = if round == 0 {
            old.clone()
        } else {
            Secret::from(format!("Nagai-Michi-{}", round - 1))
        };
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let (site, old) = (site.clone(), old.clone());
            tasks.push(tokio::spawn(
                async move { site.login(TARO, &old).await.is_ok() },
            ));
        }
        let taro = site.caller("taro").await;
        account::password(&taro, TARO, Some(new.clone()))
            .await
            .unwrap();
        let changed = site.last_event(Kind::PasswordChanged).await.id;
        for task in tasks {
            task.await.unwrap();
        }
        let passed_after = site
            .events(Kind::AuthenticationSucceeded)
            .await
            .into_iter()
            .filter(|event| event.id > changed)
            .count();
        assert_eq!(passed_after, 0, "round {round}");
        site.login(TARO, &new).await.unwrap();
    }
}

/// A whole SCRAM exchange, client and server, as a session drives it.
async fn scram_login(
    site: &Site,
    identity: &str,
    password: &Secret,
) -> Result<directory::Login, Refusal> {
    let nonce = |n| Nonce::new([n; Nonce::RANDOM_LEN]);
    let login = client::Login {
        identity: identity.to_owned(),
        password: password.clone(),
        nonce: nonce(1),
        bindings: ChannelBindings::none(),
        plus_offered: false,
    };
    let mut client = client::Exchange::new(Mechanism::ScramSha256, login).unwrap();
    let mut server = Exchange::new(
        Mechanism::ScramSha256,
        nonce(2),
        ChannelBindings::none(),
        false,
    );
    let mut step = server.start(client.initial().as_ref());
    let scram = attempt("SCRAM-SHA-256");
    let (mut under_way, mut proved) = (None, None);
    loop {
        step = match step {
            Step::Challenge(challenge) => server.respond(&client.respond(&challenge).unwrap()),
            Step::Credentials { identity } => {
                let (exchange, credentials) = site.directory.begin_scram(&scram, &identity).await?;
                under_way = Some(exchange);
                server.credentials(credentials)
            }
            Step::Proved { password, .. } => {
                proved = Some(under_way.take().unwrap().proved(password).await?);
                server.accept()
            }
            Step::Done { .. } => {
                client.finish().unwrap();
                return Ok(proved.unwrap());
            }
            Step::Failed { failure, .. } => {
                return Err(under_way.unwrap().failed(failure).await);
            }
            Step::Password(_) => panic!("SCRAM shows no password"),
        };
    }
}

#[tokio::test]
async fn scram_works_from_end_to_end() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    let login = scram_login(&site, "Taro@Example.jp", &password)
        .await
        .unwrap();
    assert_eq!(login.identifier, TARO);
    let wrong = Secret::from("wrong");
    assert_eq!(
        scram_login(&site, TARO, &wrong).await.unwrap_err(),
        Refusal::Credentials
    );
    let unknown = scram_login(&site, "nobody@example.jp", &password).await;
    assert_eq!(unknown.unwrap_err(), Refusal::Credentials);
    assert_eq!(site.last_reason().await, "unknown");
    let chosen = Secret::from("長い道のり9-ﾐﾁ");
    account::password(&site.caller("taro").await, TARO, Some(chosen.clone()))
        .await
        .unwrap();
    assert!(scram_login(&site, TARO, &password).await.is_err());
    scram_login(&site, TARO, &chosen).await.unwrap();
    site.login(TARO, &chosen).await.unwrap();
}

/// Begins an exchange over SCRAM from where `attempt` says.
async fn begin(site: &Site, attempt: &Attempt, identifier: &str) -> ScramExchange {
    let begun = site.directory.begin_scram(attempt, identifier).await;
    begun.unwrap().0
}

#[tokio::test]
async fn scram_ends_in_a_login_only_with_todays_secrets() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    let scram = attempt("SCRAM-SHA-256");
    let (exchange, secrets) = site.directory.begin_scram(&scram, TARO).await.unwrap();
    let secrets = secrets.credentials;
    assert_eq!(
        secrets,
        ScramCredentials::derive(&password, &secrets.salt, secrets.iterations)
    );
    let login = exchange.proved(0).await.unwrap();
    assert!(site.directory.still_valid(&login).await.unwrap());
    assert!(
        site.directory
            .may_send_as(&login, &site::address(TARO))
            .await
            .unwrap()
    );
    let event = site.last_event(Kind::AuthenticationSucceeded).await.event;
    assert_eq!(event.detail.get("mechanism").unwrap(), "SCRAM-SHA-256");

    let exchange = begin(&site, &scram, TARO).await;
    let refused = exchange.failed(Failure::WrongProof).await;
    assert_eq!(refused, Refusal::Credentials);
    assert_eq!(site.last_reason().await, "wrong password");

    // The password changes while an exchange is under way.
    let before = begin(&site, &scram, TARO).await;
    let taro = site.caller("taro").await;
    account::password(&taro, TARO, Some("Nagai-Michi-9".into()))
        .await
        .unwrap();
    let after = begin(&site, &scram, TARO).await;
    assert_eq!(before.proved(0).await.unwrap_err(), Refusal::Temporary);
    after.proved(0).await.unwrap();

    account::suspend(&site.caller("guard").await, TARO, "lost")
        .await
        .unwrap();
    let exchange = begin(&site, &scram, TARO).await;
    assert_eq!(exchange.proved(0).await.unwrap_err(), Refusal::Credentials);
    assert_eq!(site.last_reason().await, "suspended");
}

#[tokio::test]
async fn made_up_scram_secrets_look_real_and_stay() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let scram = attempt("SCRAM-SHA-256");
    let secrets = async |directory: &directory::Directory, identifier| {
        let begun = directory.begin_scram(&scram, identifier).await;
        begun.unwrap().1.credentials
    };
    let real = secrets(&site.directory, TARO).await;
    let made_up = secrets(&site.directory, "nobody@example.jp").await;
    assert_eq!(
        (made_up.salt.len(), made_up.iterations),
        (real.salt.len(), real.iterations)
    );
    let again = secrets(&site.restarted(), "Nobody@example.jp").await;
    assert_eq!(again, made_up, "the same after a restart");
    let other = secrets(&site.directory, "noone@example.jp").await;
    assert_ne!(other.salt, made_up.salt);
    let exchange = begin(&site, &scram, "nobody@example.jp").await;
    assert_eq!(exchange.proved(0).await.unwrap_err(), Refusal::Credentials);
}

/// Every exchange that was begun leaves one event under its identity, also when nobody ends it.
#[tokio::test]
async fn an_exchange_that_nobody_ends_is_recorded() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let scram = attempt("SCRAM-SHA-256");
    drop(begin(&site, &scram, "Taro@example.jp").await);
    while site.events(Kind::AuthenticationFailed).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.last_reason().await, "abandoned by the client");
    let event = site.last_event(Kind::AuthenticationFailed).await.event;
    assert_eq!(event.subject, TARO);
    assert_eq!(event.detail.get("claimed").unwrap(), "Taro@example.jp");
    let exchange = begin(&site, &scram, TARO).await;
    exchange.failed(Failure::Cancelled).await;
    assert_eq!(site.last_reason().await, "cancelled by the client");
    assert_eq!(site.events(Kind::AuthenticationFailed).await.len(), 2);
}

#[tokio::test]
async fn what_fails_before_a_proof_has_its_own_reason_and_is_no_guess() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    for _ in 0..5 {
        site.directory
            .authentication_failed(&attempt("PLAIN"), TARO, Failure::OtherAuthorization)
            .await;
        assert_eq!(site.last_reason().await, "another authorisation identity");
    }
    let begun = Instant::now();
    site.login(TARO, &password).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    for (identifier, reason) in [(TARO, "wrong password"), ("x@example.jp", "unknown")] {
        site.directory
            .authentication_failed(&attempt("PLAIN"), identifier, Failure::WrongProof)
            .await;
        assert_eq!(site.last_reason().await, reason);
    }
}

/// The right proof is answered at once, so it is the salt that must be waited for.
#[tokio::test(start_paused = true)]
async fn guessing_by_scram_waits_for_the_salt() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let scram = attempt("SCRAM-SHA-256");
    let mut waits = Vec::new();
    for _ in 0..6 {
        let begun = Instant::now();
        let exchange = begin(&site, &scram, TARO).await;
        waits.push(begun.elapsed().as_millis() / 1000);
        exchange.failed(Failure::WrongProof).await;
    }
    assert_eq!(waits, [0, 0, 0, 1, 2, 4]);
    // Exchanges that stay open keep nobody out for ever, and are not waited for by others.
    let mut open = Vec::new();
    for _ in 0..40 {
        open.push(begin(&site, &scram, TARO).await);
    }
    let last = open.pop().unwrap();
    last.proved(0).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn guessing_gets_slower_and_success_ends_it() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    let wrong = Secret::from("wrong");
    let mut waits = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        assert_eq!(
            site.login(TARO, &wrong).await.unwrap_err(),
            Refusal::Credentials
        );
        waits.push(begun.elapsed().as_millis() / 1000);
    }
    assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 30]);
    // From elsewhere the identifier is as slow; another identifier from elsewhere is not.
    let elsewhere = Attempt {
        peer: "198.51.100.1".parse().unwrap(),
        ..attempt("PLAIN")
    };
    let begun = Instant::now();
    site.directory
        .authenticate(&elsewhere, TARO, password.expose())
        .await
        .unwrap();
    assert!(
        begun.elapsed() >= Duration::from_secs(30),
        "slow, and never locked out"
    );
    let begun = Instant::now();
    site.directory
        .authenticate(&elsewhere, TARO, password.expose())
        .await
        .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    let begun = Instant::now();
    let scram = attempt("SCRAM-SHA-256");
    drop(begin(&site, &scram, "other@example.jp").await);
    assert!(
        begun.elapsed() >= Duration::from_secs(30),
        "by address, for SCRAM too"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_at_once_are_limited() {
    let site = std::sync::Arc::new(Site::open().await);
    let password = site.issue("taro", TARO).await;
    let mut tasks = Vec::new();
    for n in 0..40u8 {
        let (site, password) = (site.clone(), password.clone());
        tasks.push(tokio::spawn(async move {
            let peer = std::net::Ipv4Addr::new(203, 0, 113, n).into();
            let attempt = Attempt {
                peer,
                service: Service::Msa,
                ..attempt("PLAIN")
            };
            let identifier = format!("user{n}@example.jp");
            site.directory
                .authenticate(&attempt, &identifier, password.expose())
                .await
                .is_err()
        }));
    }
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert!(site.directory.most_checks_at_once() <= 2);
}

/// Where a site wants it, who must have a second factor reads and sends no mail by the password alone before they have one, either.
#[tokio::test]
async fn without_the_second_factor_that_one_must_have_mail_programs_are_refused_where_a_site_wants_it()
 {
    let mut site = Site::open().await;
    let initial = site.issue("taro", TARO).await;
    let taro = site.caller("taro").await;
    let chief = site.caller("chief").await;
    role::grant(&chief, "taro", Role::PersonnelClerk)
        .await
        .unwrap();
    let opened = async |site: &Site, service| {
        let attempt = Attempt {
            service,
            ..attempt("PLAIN")
        };
        let proof = site
            .directory
            .authenticate(&attempt, TARO, initial.expose());
        proof.await.map(drop)
    };
    opened(&site, Service::Mra).await.unwrap();
    site.options.second_factor_for_mail = true;
    site.directory.reload(site.options.clone());
    for service in [Service::Mra, Service::Msa] {
        let refused = opened(&site, service).await;
        assert_eq!(refused, Err(Refusal::SecondFactorMissing));
        let reason = site.last_reason().await;
        assert_eq!(
            reason,
            "the password alone, where there must be a second factor"
        );
    }
    let wrong = site.login(TARO, &"wrong".into()).await;
    assert_eq!(wrong.unwrap_err(), Refusal::Credentials, "nothing is told");
    // The pages are where one is added.
    opened(&site, Service::Web).await.unwrap();
    let offer = second_factor::offer(&site.directory, TARO, "h");
    let shown = site.code(&offer.secret);
    let added = second_factor::add(&taro, TARO, "phone", &offer.secret, &shown).await;
    let alone = opened(&site, Service::Mra).await;
    assert_eq!(alone, Err(Refusal::Credentials));
    // Who need not have one is not asked for it.
    role::revoke(&chief, "taro", Role::PersonnelClerk)
        .await
        .unwrap();
    second_factor::remove(&taro, TARO, added.unwrap().number)
        .await
        .unwrap();
    opened(&site, Service::Mra).await.unwrap();
}

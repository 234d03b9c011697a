//! A site moves here: accounts with their old hashes, on an order for exactly that file.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::sync::{Arc, Mutex};

use directory::{
    Refusal,
    command::{CommandError, OrderProblem, OrderState, account, import::import, order},
};
use protocol::sasl::Secret;
use site::{Site, attempt};
use trail::Kind;

/// Made by `doveadm pw` and crypt(3) for "sakura mochi 7".
const HASHES: [(&str, &str); 4] = [
    (
        "a@example.jp",
        "{SHA512-CRYPT}$6$lBQpwmRy9TGrZLGR$1gn2uAdAYczVR3x4B.2ivtJhjEzXAKForX5jZlx/FQgGbANna4KOgA6pOFazbGQVVa6ikDYJMcTO647NM4i0l.",
    ),
    (
        "b@example.jp",
        "{SSHA512}0uTvtc8Q1sf2v2UzE09I0tztsurs7uCdPyI0S+HVcr1CgkTDU7lCc3InCyiM6bU9byIGXOgirIoxPVuIvWmoNMEJE+s=",
    ),
    (
        "c@example.jp",
        "{BLF-CRYPT}$2y$05$TQzVD8EF7hxPLIAY5lXiV.JVxFATawbIOM2IoWoZ0HgHv.o9YHNjG",
    ),
    (
        "d@branch.example.jp",
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$8suig/qyGUy5GGx88cJUcQ$5vCgDAi/RqsuPEs8AoXcXQASBKMhgpoEf4x3qQPtC0w",
    ),
];

fn file(rows: impl IntoIterator<Item = (String, String)>) -> String {
    let mut text = "address,name,password_hash,quota\n".to_owned();
    for (address, hash) in rows {
        // Argon2's parameters hold commas.
        text.push_str(&format!("{address},Name of {address},\"{hash}\",\n"));
    }
    text
}

fn small() -> String {
    file(HASHES.map(|(address, hash)| (address.to_owned(), hash.to_owned())))
}

async fn ordered(site: &Site, file: &str) -> i64 {
    let number = order::import(&site.caller("chief").await, file.as_bytes())
        .await
        .unwrap();
    site.approve(number).await;
    number
}

#[tokio::test]
async fn old_hashes_work_and_become_todays_at_the_first_login() {
    let site = Site::open().await;
    let file = small();
    let number = ordered(&site, &file).await;
    let manager = site.caller("manager").await;
    let done = import(&manager, number, file.as_bytes(), |_, _| ())
        .await
        .unwrap();
    assert_eq!((done.made, done.made_before), (4, 0));
    assert_eq!(site.events(Kind::AccountIssued).await.len(), 4);
    let password = Secret::from("sakura mochi 7");
    for (upgraded, (address, hash)) in HASHES.into_iter().enumerate() {
        let scheme = account::show(&manager, address)
            .await
            .unwrap()
            .scheme
            .unwrap();
        assert!(hash.starts_with(&format!("{{{scheme}}}")));
        let scram = attempt("SCRAM-SHA-256");
        let begun = site.directory.begin_scram(&scram, address).await;
        let (_, made_up) = begun.unwrap();
        assert_eq!(
            site.login(address, &Secret::from("wrong"))
                .await
                .unwrap_err(),
            Refusal::Credentials
        );
        assert_eq!(site.events(Kind::PasswordUpgraded).await.len(), upgraded);
        let login = site.login(address, &password).await.unwrap();
        assert_eq!(
            site.events(Kind::PasswordUpgraded).await.len(),
            upgraded + 1
        );
        assert!(site.directory.still_valid(&login).await.unwrap());
        let view = account::show(&manager, address).await.unwrap();
        assert_eq!(view.scheme, Some("ARGON2ID"));
        assert!(!view.must_change_password, "the holder chose it");
        // The upgraded hash, without anything remembered, and SCRAM.
        let fresh = site.restarted();
        fresh
            .authenticate(&attempt("PLAIN"), address, password.expose())
            .await
            .unwrap();
        assert!(
            fresh
                .authenticate(&attempt("PLAIN"), address, b"wrong")
                .await
                .is_err()
        );
        let (exchange, real) = fresh.begin_scram(&scram, address).await.unwrap();
        assert_ne!(real, made_up);
        exchange.proved(0).await.unwrap();
        assert_eq!(
            site.events(Kind::PasswordUpgraded).await.len(),
            upgraded + 1,
            "once"
        );
    }
}

#[tokio::test]
async fn one_order_is_for_one_file_once() {
    let site = Site::open().await;
    let file = small();
    let number = ordered(&site, &file).await;
    let manager = site.caller("manager").await;
    let other = file.replace("Name of a", "Other");
    let refused = import(&manager, number, other.as_bytes(), |_, _| ())
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            CommandError::Order {
                problem: OrderProblem::File(_),
                ..
            }
        ),
        "{refused}"
    );
    import(&manager, number, file.as_bytes(), |_, _| ())
        .await
        .unwrap();
    let refused = import(&manager, number, file.as_bytes(), |_, _| ())
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            CommandError::Order {
                problem: OrderProblem::Used,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(
        order::show(&manager, number).await.unwrap().state,
        OrderState::Used
    );
}

#[tokio::test]
async fn a_bad_line_stops_all_of_it() {
    let site = Site::open().await;
    site.issue("taro", "b@example.jp").await;
    let bad = small().replace("{SSHA512}", "{PLAIN}");
    let refused = order::import(&site.caller("chief").await, bad.as_bytes())
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("line 3: the scheme {PLAIN}"),
        "{refused}"
    );
    // What only the store knows is found before anything is made.
    let file = small();
    let number = ordered(&site, &file).await;
    let manager = site.caller("manager").await;
    let refused = import(&manager, number, file.as_bytes(), |_, _| ())
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, CommandError::Lines(lines) if lines.len() == 1),
        "{refused}"
    );
    assert!(refused.to_string().starts_with("line 3: "), "{refused}");
    assert_eq!(site.events(Kind::AccountIssued).await.len(), 1);
    assert_eq!(
        order::show(&manager, number).await.unwrap().state,
        OrderState::Approved
    );
}

#[tokio::test]
async fn an_interrupted_import_goes_on() {
    let site = Site::open().await;
    let (_, hash) = HASHES[2];
    let file = file((0..250).map(|n| (format!("u{n}@example.jp"), hash.to_owned())));
    let number = ordered(&site, &file).await;
    let seen: Arc<Mutex<Vec<usize>>> = Arc::default();
    let task = {
        let (seen, file) = (seen.clone(), file.clone());
        let caller = site.caller("manager").await;
        // The caller is gone after the first batch, as when a terminal closes.
        tokio::spawn(async move {
            let first = seen.clone();
            import(&caller, number, file.as_bytes(), move |done, _| {
                first.lock().unwrap().push(done);
                assert!(done > 100, "stop here");
            })
            .await
        })
    };
    assert!(task.await.is_err(), "interrupted");
    assert_eq!(*seen.lock().unwrap(), [100]);
    let manager = site.caller("manager").await;
    assert_eq!(
        order::show(&manager, number).await.unwrap().state,
        OrderState::Executing
    );
    site.days(60);
    let done = import(&manager, number, file.as_bytes(), |_, _| ())
        .await
        .unwrap();
    assert_eq!((done.made, done.made_before), (150, 100));
    assert_eq!(site.events(Kind::AccountIssued).await.len(), 250);
    assert_eq!(
        order::show(&manager, number).await.unwrap().state,
        OrderState::Used
    );
    assert_eq!(account::list(&manager).await.unwrap().len(), 250);
}

//! An account from order to deletion, with the event of each step.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use directory::{
    Refusal, Resolution, Role,
    command::{
        AccountState, Alone, Caller, CommandError, account, address as alias, app_password,
        arrival, idle, leaving, order, person, reading, role, roster, shared,
    },
};
use protocol::sasl::Secret;
use site::{Site, address};
use store::{Snapshot, Topic, mailbox};
use trail::{Actor, Kind, Outcome};

const TARO: &str = "taro@example.jp";
const OFFICE: &str = "office@example.jp";
const GUARD: &str = "guard@example.jp";

/// An app password that `caller` makes.
async fn secret(caller: &Caller, of: &str) -> Secret {
    let wish = app_password::Wish {
        name: "phone".into(),
        msa: true,
        mra: true,
        expires_at: None,
    };
    app_password::add(caller, of, wish).await.unwrap().password
}

/// jiro and taro share the office, and taro reads the guard's mail: with a secret for each.
async fn given_to_taro(site: &Site) -> (Secret, Secret) {
    site.issue("jiro", OFFICE).await;
    site.issue("guard", GUARD).await;
    let (chief, manager) = (site.caller("chief").await, site.caller("manager").await);
    let month = jiff::SignedDuration::from_hours(24 * 30);
    let month = site.store.now().checked_add(month).unwrap();
    let wish = shared::ShareOrder {
        address: address(OFFICE),
        users: vec!["jiro".into(), "taro".into()],
        review_at: month,
    };
    let number = shared::order(&chief, wish).await.unwrap();
    site.approve(number).await;
    let alone = || Alone(site.store.clone());
    shared::share(&manager, number, alone()).await.unwrap();
    let wish = reading::ReadOrder {
        address: address(GUARD),
        reader: "taro".into(),
        purpose: "監査第3号".into(),
        until: month,
    };
    let number = reading::order(&chief, wish).await.unwrap();
    site.approve(number).await;
    reading::open(&manager, number, alone()).await.unwrap();
    let taro = site.caller("taro").await;
    (secret(&taro, OFFICE).await, secret(&taro, GUARD).await)
}

#[tokio::test]
async fn from_order_to_deletion() {
    let site = Site::open().await;
    let password = site.issue("taro", "Taro@example.jp").await;

    let issued = site.last_event(Kind::AccountIssued).await.event;
    assert_eq!(issued.subject, TARO);
    assert_eq!(issued.actor, Actor::Person("manager".into()));
    assert_eq!(issued.order, Some(1));
    assert!(!issued.detail.contains_key("single_person"));

    let login = site.login("TARO@Example.JP", &password).await.unwrap();
    assert_eq!(
        (login.identifier.as_str(), login.address.clone()),
        (TARO, address(TARO))
    );
    let names = site
        .store
        .read(move |s: &mut Snapshot<'_>| mailbox::list(s, login.account))
        .await
        .unwrap();
    let mut names: Vec<String> = names.into_iter().map(|m| m.name).collect();
    names.sort();
    assert_eq!(
        names,
        ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
    );

    // The holder changes the initial password; what was proved before is void.
    let taro = site.caller("taro").await;
    let view = account::show(&taro, TARO).await.unwrap();
    assert!(view.must_change_password);
    let chosen = Secret::from("Nagai-Michi-9");
    let watched = site.store.watch(Topic::Account(login.account));
    assert!(
        account::password(&taro, TARO, Some(chosen.clone()))
            .await
            .unwrap()
            .is_none()
    );
    assert!(watched.has_changed().unwrap());
    assert!(!site.directory.still_valid(&login).await.unwrap());
    assert_eq!(
        site.login(TARO, &password).await.unwrap_err(),
        Refusal::Credentials
    );
    let login = site.login(TARO, &chosen).await.unwrap();
    assert!(
        !account::show(&taro, TARO)
            .await
            .unwrap()
            .must_change_password
    );

    // Suspended: no login, no session, mail keeps arriving.
    let guard = site.caller("guard").await;
    account::suspend(&guard, TARO, "used by another")
        .await
        .unwrap();
    assert!(!site.directory.still_valid(&login).await.unwrap());
    assert_eq!(
        site.login(TARO, &chosen).await.unwrap_err(),
        Refusal::Credentials
    );
    assert_eq!(site.last_reason().await, "suspended");
    let resolved = site.directory.resolve(&address(TARO), 100).await.unwrap();
    assert!(matches!(resolved, Resolution::Local(_)));

    // Resumed only after a new password, which may not be the old one.
    let refused = account::resume(&guard, TARO).await.unwrap_err();
    assert!(matches!(refused, CommandError::NotRenewed(_)));
    let manager = site.caller("manager").await;
    let same = account::password(&manager, TARO, Some(chosen.clone()))
        .await
        .unwrap_err();
    assert!(matches!(same, CommandError::SamePassword));
    let made = account::password(&manager, TARO, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        site.login(TARO, &made).await.unwrap_err(),
        Refusal::Credentials
    );
    account::resume(&guard, TARO).await.unwrap();
    assert_eq!(
        site.login(TARO, &chosen).await.unwrap_err(),
        Refusal::Credentials
    );
    site.login(TARO, &made).await.unwrap();
    // A second suspension needs a second new password.
    account::suspend(&guard, TARO, "again").await.unwrap();
    assert!(account::resume(&guard, TARO).await.is_err());

    delete(&site, &made).await;
    for (kind, count) in [
        (Kind::PersonAdded, 7),
        (Kind::OrderIssued, 2),
        (Kind::OrderApproved, 2),
        (Kind::AccountIssued, 1),
        (Kind::PasswordChanged, 2),
        (Kind::AccountSuspended, 2),
        (Kind::AccountResumed, 1),
        (Kind::AccountDeleted, 1),
    ] {
        assert_eq!(site.events(kind).await.len(), count, "{}", kind.as_str());
    }
    let all = format!("{:?}", site.events(Kind::CommandGiven).await);
    for secret in [&password, &chosen, &made] {
        assert!(
            !all.contains(secret.expose_str().unwrap()),
            "a password in the trail"
        );
    }
}

async fn delete(site: &Site, password: &Secret) {
    let manager = site.caller("manager").await;
    alias::add_alias(&manager, &address("sales@example.jp"), TARO)
        .await
        .unwrap();
    let chief = site.caller("chief").await;
    person::leave(&site.caller("clerk").await, "taro")
        .await
        .unwrap();
    let args = order::DeleteOrder {
        for_person: "taro".into(),
        address: None,
        not_before: None,
    };
    let number = order::delete(&chief, args).await.unwrap();
    site.approve(number).await;
    let deleted = account::delete(&manager, number).await.unwrap();
    assert_eq!(deleted.identifier, TARO);
    assert_eq!(deleted.references.len(), 1, "{:?}", deleted.references);

    assert_eq!(
        site.login(TARO, password).await.unwrap_err(),
        Refusal::Credentials
    );
    assert_eq!(site.last_reason().await, "unknown");
    for gone in [TARO, "sales@example.jp"] {
        let resolved = site.directory.resolve(&address(gone), 1).await.unwrap();
        assert_eq!(resolved, Resolution::Unknown, "{gone}");
        // Retired for good, for an order and as an alias.
        let args = order::IssueOrder {
            for_person: "jiro".into(),
            address: address(gone),
            name: None,
            quota: None,
        };
        let refused = order::issue(&chief, args).await.unwrap_err();
        assert!(matches!(refused, CommandError::Retired(_)), "{refused}");
    }
    let register = account::list(&chief).await.unwrap();
    assert_eq!(register.len(), 1, "the register keeps it");
    assert_eq!(register.first().unwrap().state, AccountState::Deleted);
    assert!(
        account::delete(&manager, number).await.is_err(),
        "once only"
    );
}

#[tokio::test]
async fn commands_need_their_roles_and_refusals_are_recorded() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let before = site.events(Kind::CommandGiven).await.len();
    let taro = site.caller("taro").await;
    let clerk = site.caller("clerk").await;
    let nobody = site.caller("mallory").await;
    let add = person::Add {
        name: "x".into(),
        ..person::Add::default()
    };
    assert!(matches!(
        person::add(&taro, add.clone()).await,
        Err(CommandError::NotPermitted(_))
    ));
    assert!(matches!(
        person::add(&nobody, add).await,
        Err(CommandError::Nobody(_))
    ));
    let order = order::IssueOrder {
        for_person: "jiro".into(),
        address: address("jiro@example.jp"),
        name: None,
        quota: None,
    };
    assert!(matches!(
        order::issue(&clerk, order).await,
        Err(CommandError::NotPermitted(_))
    ));
    assert!(matches!(
        account::suspend(&taro, TARO, "x").await,
        Err(CommandError::NotPermitted(_))
    ));
    let jiro = site.caller("jiro").await;
    let set = account::password(&jiro, TARO, Some("Nagai-Michi-9".into())).await;
    assert!(matches!(set, Err(CommandError::NotHolder(_))));
    assert!(matches!(
        account::show(&jiro, TARO).await,
        Err(CommandError::NotPermitted(_))
    ));
    assert!(account::show(&taro, TARO).await.is_ok());
    let weak = account::password(&taro, TARO, Some("sakura2024".into())).await;
    assert!(matches!(weak, Err(CommandError::Password(_))));

    let given = site.events(Kind::CommandGiven).await;
    let refused: Vec<_> = given
        .iter()
        .skip(before)
        .filter(|e| e.event.outcome == Outcome::Refused)
        .collect();
    assert_eq!(refused.len(), 7);
    assert_eq!(
        refused.get(1).unwrap().event.actor,
        Actor::Person("user:mallory".into())
    );
    assert!(
        refused
            .iter()
            .all(|e| e.event.detail.contains_key("reason"))
    );
}

/// Nobody logs in as one who has left, from that moment on; what they left behind is told of once (clauses 7.1(3), 9.2(1)).
#[tokio::test]
async fn who_has_left_is_shut_out_at_once() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    let login = site.login(TARO, &password).await.unwrap();
    let clerk = site.caller("clerk").await;
    person::leave(&clerk, "taro").await.unwrap();
    assert!(!site.directory.still_valid(&login).await.unwrap());
    assert!(site.login(TARO, &password).await.is_err());
    let suspended = site.last_event(Kind::AccountSuspended).await.event;
    assert_eq!(suspended.subject, TARO);
    assert_eq!(suspended.actor, Actor::Person("clerk".into()));
    let reason = suspended.detail.get("reason").unwrap().to_string();
    assert!(reason.contains("has left"), "{reason}");
    let manager = site.caller("manager").await;
    account::password(&manager, TARO, None).await.unwrap();
    let resumed = account::resume(&manager, TARO).await;
    assert!(resumed.unwrap_err().to_string().contains("taro has left"));

    let [warned] = &idle::sweep(&site.directory).await.unwrap()[..] else {
        panic!("nobody is warned");
    };
    assert!(warned.person_left && warned.suspends_at.is_none());
    let warned = warned.clone();
    let note = move |tx: &mut store::Tx<'_>| idle::note_warning(tx, &warned, true);
    site.store.commit(Vec::new(), note).await.unwrap();
    assert!(idle::sweep(&site.directory).await.unwrap().is_empty());
}

/// The day that was announced is the last, whether anybody notes then that the person left or not; it can be put off (clause 9.2(1)).
#[tokio::test]
async fn from_the_day_of_leaving_on_nobody_logs_in() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    let (office, guards) = given_to_taro(&site).await;
    let taro = site.caller("taro").await;
    let chief = site.caller("chief").await;
    role::grant(&chief, "taro", Role::Administrator)
        .await
        .unwrap();
    let (clerk, manager) = (site.caller("clerk").await, site.caller("manager").await);
    let day = |days: i64| {
        let span = jiff::SignedDuration::from_hours(24 * days);
        site.store.now().checked_add(span).unwrap()
    };
    arrival::depart(&clerk, "taro", day(3)).await.unwrap();
    site.days(2);
    let login = site.login(TARO, &password).await.unwrap();
    let shares = site.login(OFFICE, &office).await.unwrap();
    let reads = site.login(GUARD, &guards).await.unwrap();
    account::list(&taro).await.unwrap();
    assert_eq!(leaving::departed(&site.directory).await.unwrap(), 0);
    site.days(1);
    // Before the server has come to it, too.
    assert!(!site.directory.still_valid(&login).await.unwrap());
    assert!(site.login(TARO, &password).await.is_err());
    assert_eq!(site.last_reason().await, "its holder has left");
    // What others share with them, and what they read, is closed too, and no role of theirs opens anything.
    for (login, secret) in [(&shares, &office), (&reads, &guards)] {
        assert!(!site.directory.still_valid(login).await.unwrap());
        assert!(site.login(&login.identifier, secret).await.is_err());
    }
    let early = site.caller("taro").await;
    for caller in [&taro, &early] {
        let refused = account::list(caller).await.unwrap_err();
        assert!(
            matches!(refused, CommandError::Departed { .. }),
            "{refused}"
        );
    }
    let given = site.last_event(Kind::CommandGiven).await.event;
    assert_eq!(given.actor, Actor::Person("taro".into()));
    let refused = site.directory.person_of_user("taro").await.unwrap_err();
    let today = site.store.now().to_string();
    assert!(refused.to_string().contains(&today[..10]), "{refused}");
    // It was a mistake: they stay some days longer.
    arrival::depart(&clerk, "taro", day(5)).await.unwrap();
    site.login(TARO, &password).await.unwrap();
    site.login(OFFICE, &office).await.unwrap();
    site.login(GUARD, &guards).await.unwrap();
    account::list(&taro).await.unwrap();
    site.days(5);
    let watched = site.store.watch(Topic::Account(shares.account));
    assert_eq!(leaving::departed(&site.directory).await.unwrap(), 1);
    assert_eq!(leaving::departed(&site.directory).await.unwrap(), 0);
    let suspended = site.last_event(Kind::AccountSuspended).await.event;
    assert_eq!(suspended.actor, Actor::System);
    assert!(suspended.detail.contains_key("left_at"), "{suspended:?}");
    assert!(watched.has_changed().unwrap());
    let revoked = site.last_event(Kind::AppPasswordRevoked).await.event;
    assert_eq!(
        (revoked.subject.as_str(), revoked.actor),
        (OFFICE, Actor::System)
    );
    assert_eq!(revoked.detail["why"], "left");
    assert_eq!(site.events(Kind::AppPasswordRevoked).await.len(), 1);
    assert_eq!(reading::expire(&site.directory).await.unwrap(), 1);
    assert_eq!(
        account::show(&manager, TARO).await.unwrap().identifier,
        TARO
    );
}

/// What a holder was given elsewhere ends with the last account of theirs, and not before (clauses 7.1(3), 8.1).
#[tokio::test]
async fn with_the_last_account_ends_what_its_holder_was_given_elsewhere() {
    let site = Site::open().await;
    let other = "taro-2@example.jp";
    site.issue("taro", TARO).await;
    site.issue("taro", other).await;
    let (office, guards) = given_to_taro(&site).await;
    let shares = site.login(OFFICE, &office).await.unwrap();
    let reads = site.login(GUARD, &guards).await.unwrap();
    let erase = async |what: &str, fate: &str| {
        let args = order::DeleteOrder {
            for_person: "taro".into(),
            address: Some(address(what)),
            not_before: None,
        };
        let number = order::delete(&site.caller("chief").await, args).await;
        let number = number.unwrap();
        site.approve(number).await;
        let gone = account::delete(&site.caller("manager").await, number).await;
        let told = gone.unwrap().references;
        let of_those = told.iter().filter(|one| one.contains(fate)).count();
        assert_eq!(of_those, 2, "{told:?}");
        number
    };
    erase(other, "stays, since taro has another account").await;
    assert!(site.directory.still_valid(&shares).await.unwrap());
    assert!(site.directory.still_valid(&reads).await.unwrap());
    assert!(site.events(Kind::ReadingEnded).await.is_empty());

    let watched = [&shares, &reads].map(|login| site.store.watch(Topic::Account(login.account)));
    let number = erase(TARO, "ended, since it is the last account of taro").await;
    for (login, secret) in [(&shares, &office), (&reads, &guards)] {
        assert!(!site.directory.still_valid(login).await.unwrap());
        assert!(site.login(&login.identifier, secret).await.is_err());
    }
    assert!(watched.iter().all(|one| one.has_changed().unwrap()));
    let changed = site.last_event(Kind::AccountChanged).await.event;
    assert_eq!(
        (changed.subject.as_str(), changed.order),
        (OFFICE, Some(number))
    );
    assert_eq!(changed.detail["users"], serde_json::json!(["jiro"]));
    assert_eq!(
        changed.detail["users_before"],
        serde_json::json!(["jiro", "taro"])
    );
    assert_eq!(changed.detail["app_passwords_revoked"], 1);
    let ended = site.last_event(Kind::ReadingEnded).await.event;
    assert_eq!(ended.subject, GUARD);
    assert_eq!(
        (&ended.detail["why"], &ended.detail["person"]),
        (&"deleted".into(), &"taro".into())
    );
    assert_eq!(ended.detail["delete_order"], number);
    let chief = site.caller("chief").await;
    assert!(reading::list(&chief).await.unwrap().is_empty());
    assert_eq!(shared::list(&chief).await.unwrap()[0].users, ["jiro"]);
}

/// Whatever rule suspends an identifier, its app passwords go with it, as when somebody suspends it.
#[tokio::test]
async fn what_lies_idle_is_suspended_with_its_app_passwords() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let taro = site.caller("taro").await;
    let chosen = Secret::from("Nagai-Michi-9");
    account::password(&taro, TARO, Some(chosen)).await.unwrap();
    let phone = secret(&taro, TARO).await;
    site.login(TARO, &phone).await.unwrap();
    site.days(91);
    let [warned] = &idle::sweep(&site.directory).await.unwrap()[..] else {
        panic!("nobody is warned");
    };
    let warned = warned.clone();
    let note = move |tx: &mut store::Tx<'_>| idle::note_warning(tx, &warned, true);
    site.store.commit(Vec::new(), note).await.unwrap();
    site.days(31);
    assert!(idle::sweep(&site.directory).await.unwrap().is_empty());
    let suspended = site.last_event(Kind::AccountSuspended).await.event;
    assert!(suspended.detail.contains_key("idle_since"), "{suspended:?}");
    assert_eq!(suspended.detail["app_passwords_revoked"], 1);
    // A new password brings none of them back.
    let manager = site.caller("manager").await;
    let made = account::password(&manager, TARO, None).await.unwrap();
    account::resume(&manager, TARO).await.unwrap();
    assert!(site.login(TARO, &phone).await.is_err());
    // Nor is it suspended again before its holder has come to log in: they are warned anew, with all the time for it.
    let [again] = &idle::sweep(&site.directory).await.unwrap()[..] else {
        panic!("nobody is warned anew");
    };
    let left = again.suspends_at.unwrap().duration_since(site.store.now());
    assert!(left.as_hours() >= 29 * 24, "{left}");
    let made = made.unwrap();
    site.login(TARO, &made).await.unwrap();
    assert!(idle::sweep(&site.directory).await.unwrap().is_empty());
    site.login(TARO, &made).await.unwrap();
}

/// Who is not on the personnel's list is told of, and their identifiers are suspended after a time, unless a later list has them.
#[tokio::test]
async fn who_is_not_on_the_roster_is_suspended_by_rule() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let taro = site.caller("taro").await;
    let password = Secret::from("Nagai-Michi-9");
    account::password(&taro, TARO, Some(password.clone()))
        .await
        .unwrap();
    let phone = secret(&taro, TARO).await;
    let clerk = site.caller("clerk").await;
    let compare = async |list: &str| {
        let alone = Alone(site.store.clone());
        roster::compare(&clerk, list.as_bytes(), |_| alone).await
    };
    let officers = "name\nchief\ndeputy\nmanager\nclerk\nguard\njiro\n";
    assert!(compare("names\nx\n").await.is_err());
    assert!(site.events(Kind::RosterCompared).await.is_empty());
    let found = compare(officers).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].person.as_str(), found[0].accounts.len()),
        ("taro", 1)
    );
    let since = found[0].since.unwrap();
    assert!(found[0].suspends_at.unwrap() > since);
    let event = site.last_event(Kind::RosterCompared).await.event;
    assert_eq!(event.detail["not_on_list"], serde_json::json!(["taro"]));
    let shown = idle::list(&clerk).await.unwrap();
    assert_eq!(shown[0].off_roster_since, Some(since));

    // Again, and it is not counted anew; a list that has taro ends it.
    site.days(20);
    assert_eq!(compare(officers).await.unwrap()[0].since, Some(since));
    let whole = format!("{officers}taro\n");
    assert!(compare(&whole).await.unwrap().is_empty());
    let event = site.last_event(Kind::RosterCompared).await.event;
    assert_eq!(event.detail["came_back"], serde_json::json!(["taro"]));
    site.days(20);
    idle::sweep(&site.directory).await.unwrap();
    site.login(TARO, &password).await.unwrap();

    compare(officers).await.unwrap();
    site.days(29);
    site.login(TARO, &password).await.unwrap();
    idle::sweep(&site.directory).await.unwrap();
    site.login(TARO, &password).await.unwrap();
    site.days(1);
    idle::sweep(&site.directory).await.unwrap();
    assert!(site.login(TARO, &password).await.is_err());
    let suspended = site.last_event(Kind::AccountSuspended).await.event;
    assert!(
        suspended.detail.contains_key("off_roster_since"),
        "{suspended:?}"
    );
    assert_eq!(suspended.detail["app_passwords_revoked"], 1);
    assert!(site.login(TARO, &phone).await.is_err());
    // The next look would suspend it again: whoever resumes it hears what comes first.
    let manager = site.caller("manager").await;
    account::password(&manager, TARO, None).await.unwrap();
    let refused = account::resume(&manager, TARO).await.unwrap_err();
    assert!(refused.to_string().contains("`person roster`"), "{refused}");
    compare(&whole).await.unwrap();
    account::resume(&manager, TARO).await.unwrap();
    idle::sweep(&site.directory).await.unwrap();
    let shown = account::show(&manager, TARO).await.unwrap();
    assert_eq!(shown.state, AccountState::Active);
    // Zero: never.
    let mut options = site.options.clone();
    options.roster_grace = std::time::Duration::ZERO;
    site.directory.reload(options);
    assert_eq!(compare(officers).await.unwrap()[0].suspends_at, None);
}

/// An order says who announced the person (clause 9.1(1)), and waits for their acknowledgement where that is required (9.1(2)).
#[tokio::test]
async fn an_order_names_who_announced_and_waits_for_who_is_to_know() {
    let site = Site::open().await;
    let mut options = site.options.clone();
    options.acknowledgement_required = true;
    site.directory.reload(options);
    let chief = site.caller("chief").await;
    let add = person::Add {
        name: "hanako".into(),
        ..person::Add::default()
    };
    person::add(&chief, add).await.unwrap();
    let wish = || order::IssueOrder {
        for_person: "hanako".into(),
        address: address("hanako@example.jp"),
        name: None,
        quota: None,
    };
    let unknowing = order::issue(&chief, wish()).await.unwrap_err();
    assert!(unknowing.to_string().contains("9.1(2)"), "{unknowing}");
    let clerk = site.caller("clerk").await;
    arrival::acknowledge(&clerk, "hanako", true).await.unwrap();
    order::issue(&chief, wish()).await.unwrap();
    let event = site.last_event(Kind::OrderIssued).await.event;
    assert_eq!(event.detail["announced_by"], "chief");
    let shown = arrival::announce(&clerk, "hanako").await.unwrap();
    assert_eq!(shown.announced_by.as_deref(), Some("clerk"));
    assert_eq!(
        site.last_event(Kind::ArrivalNoted).await.event.detail["before"],
        "chief"
    );
    order::issue(&chief, wish()).await.unwrap();
    let event = site.last_event(Kind::OrderIssued).await.event;
    assert_eq!(event.detail["announced_by"], "clerk");
}

#[tokio::test]
async fn the_last_system_officer_stays() {
    let site = Site::open().await;
    let guard = site.caller("guard").await;
    // Nor is each put down to leave, one after the other; what was put down can be put off.
    let day = |days: i64| {
        let span = jiff::SignedDuration::from_hours(24 * days);
        site.store.now().checked_add(span).unwrap()
    };
    arrival::depart(&guard, "deputy", day(3)).await.unwrap();
    let refused = arrival::depart(&guard, "chief", day(9)).await.unwrap_err();
    assert!(
        refused.to_string().contains("the last system officer"),
        "{refused}"
    );
    assert!(person::leave(&guard, "chief").await.is_err());
    arrival::depart(&guard, "deputy", day(5)).await.unwrap();
    person::leave(&guard, "deputy").await.unwrap();
    assert!(person::leave(&guard, "chief").await.is_err());
    let revoke = role::revoke(&guard, "chief", Role::SystemOfficer).await;
    assert!(matches!(revoke, Err(CommandError::State(_))));
    assert!(
        directory::bootstrap(&site.store, "again", "again")
            .await
            .is_err()
    );
    let gone = site.directory.person_of_user("deputy").await.unwrap();
    assert!(gone.is_none(), "one who left gives no commands");
    assert!(
        site.directory
            .person_of_user("chief")
            .await
            .unwrap()
            .unwrap()
            .has(Role::SystemOfficer)
    );
}

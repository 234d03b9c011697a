//! Where mail for an address goes, and who may send as what.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use directory::{
    OwnDomain, Resolution, Role, Writers,
    command::{
        CommandError, account, address as alias, forward as onward, order, person, role, writers,
    },
};
use message::address::Domain;
use site::{Site, address};
use store::{AccountId, mailbox};
use trail::{Actor, Event, Kind};
use world::Clock as _;

const TARO: &str = "taro@example.jp";
const JIRO: &str = "jiro@example.jp";

/// The main addresses that mail for `to` reaches, with its tag.
async fn reached(site: &Site, to: &str) -> (Vec<String>, Option<String>) {
    match site.directory.resolve(&address(to), 100).await.unwrap() {
        Resolution::Local(found) => {
            let tag = found.first().and_then(|r| r.tag.clone());
            (
                found.into_iter().map(|r| r.address.to_string()).collect(),
                tag,
            )
        }
        other => panic!("{to}: {other:?}"),
    }
}

async fn only(site: &Site, to: &str) -> String {
    let (found, _) = reached(site, to).await;
    assert_eq!(found.len(), 1, "{to}: {found:?}");
    found.into_iter().next().unwrap()
}

#[tokio::test]
async fn main_tag_alias_role_catch_all() {
    let site = Site::open().await;
    let resolve = async |to: &str| site.directory.resolve(&address(to), 1).await.unwrap();
    // Before the first account these exist too (RFC 5321, section 4.5.1), with nobody to read them.
    for role in ["postmaster@example.jp", "Abuse+x@branch.example.jp"] {
        assert_eq!(resolve(role).await, Resolution::Unattended, "{role}");
    }
    site.issue("taro", TARO).await;
    site.issue("jiro", JIRO).await;
    assert_eq!(resolve("a@elsewhere.jp").await, Resolution::Foreign);
    assert_eq!(resolve("nobody@example.jp").await, Resolution::Unknown);
    assert_eq!(resolve("nobody+tag@example.jp").await, Resolution::Unknown);
    assert_eq!(resolve("taro@branch.example.jp").await, Resolution::Unknown);
    assert_eq!(
        reached(&site, "TARO@EXAMPLE.JP").await,
        (vec![TARO.into()], None)
    );
    assert_eq!(
        reached(&site, "taro+News@example.jp").await,
        (vec![TARO.into()], Some("News".into()))
    );
    // Role addresses of every own domain: the first person's account until one is named.
    for role in [
        "postmaster@example.jp",
        "Abuse@branch.example.jp",
        "postmaster+x@example.jp",
    ] {
        assert_eq!(only(&site, role).await, TARO, "{role}");
    }
    let manager = site.caller("manager").await;
    alias::role(&manager, &address("Postmaster@example.jp"), JIRO)
        .await
        .unwrap();
    assert_eq!(only(&site, "postmaster@example.jp").await, JIRO);
    assert_eq!(only(&site, "postmaster@branch.example.jp").await, TARO);
    assert!(
        alias::role(&manager, &address("info@example.jp"), JIRO)
            .await
            .is_err()
    );

    // An alias of several accounts; the exact address goes before the tag.
    let team = address("team@example.jp");
    alias::add_alias(&manager, &team, TARO).await.unwrap();
    alias::add_alias(&manager, &team, JIRO).await.unwrap();
    assert_eq!(reached(&site, "team@example.jp").await.0, [TARO, JIRO]);
    let tagged = alias::add_alias(&manager, &address("taro+vip@example.jp"), JIRO).await;
    assert!(
        matches!(tagged, Err(CommandError::Argument(_))),
        "{tagged:?}"
    );
    // The same with the separator that the site has chosen.
    let mut options = site.options.clone();
    options.tag_separator = Some('-');
    site.directory.reload(options);
    let tagged = alias::add_alias(&manager, &address("taro-vip@example.jp"), JIRO).await;
    assert!(
        matches!(tagged, Err(CommandError::Argument(_))),
        "{tagged:?}"
    );
    site.directory.reload(site.options.clone());
    // One from before its other half was anybody's.
    for (name, of) in [("news+vip@example.jp", JIRO), ("news@example.jp", TARO)] {
        alias::add_alias(&manager, &address(name), of)
            .await
            .unwrap();
    }
    assert_eq!(only(&site, "news+vip@example.jp").await, JIRO);
    assert_eq!(only(&site, "news+x@example.jp").await, TARO);
    alias::remove_alias(&manager, &team, TARO).await.unwrap();
    assert_eq!(only(&site, "team@example.jp").await, JIRO);
    let taken = alias::add_alias(&manager, &address(TARO), JIRO).await;
    assert!(matches!(taken, Err(CommandError::Exists { .. })));

    let mut options = site.options.clone();
    options.domains = vec![OwnDomain {
        name: Domain::parse("example.jp").unwrap(),
        catch_all: Some(address(JIRO)),
    }];
    site.directory.reload(options);
    assert_eq!(only(&site, "nobody@example.jp").await, JIRO);
    assert_eq!(only(&site, TARO).await, TARO);
    assert!(
        !site
            .directory
            .is_own(&Domain::parse("branch.example.jp").unwrap())
    );
}

#[tokio::test]
async fn senders_are_ones_own_addresses() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    site.issue("jiro", JIRO).await;
    let manager = site.caller("manager").await;
    for (name, of) in [("sales+vip@example.jp", JIRO), ("sales@example.jp", TARO)] {
        alias::add_alias(&manager, &address(name), of)
            .await
            .unwrap();
    }
    let login = site.login(TARO, &password).await.unwrap();
    for (sender, expected) in [
        (TARO, true),
        ("Taro@EXAMPLE.jp", true),
        ("taro+x@example.jp", true),
        ("sales@example.jp", true),
        ("sales+x@example.jp", true),
        (JIRO, false),
        ("sales+vip@example.jp", false),
        ("jiro+taro@example.jp", false),
        ("postmaster@example.jp", false),
        ("taro@branch.example.jp", false),
        ("taro@elsewhere.jp", false),
    ] {
        let may = site
            .directory
            .may_send_as(&login, &address(sender))
            .await
            .unwrap();
        assert_eq!(may, expected, "{sender}");
    }
    alias::role(&manager, &address("postmaster@example.jp"), TARO)
        .await
        .unwrap();
    assert!(
        site.directory
            .may_send_as(&login, &address("postmaster@example.jp"))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn full_mailboxes_refuse_at_once_but_role_mail_comes_in() {
    let site = Site::open().await;
    let args = order::IssueOrder {
        for_person: "taro".into(),
        address: address(TARO),
        name: None,
        quota: Some(1000),
    };
    let number = order::issue(&site.caller("chief").await, args)
        .await
        .unwrap();
    site.approve(number).await;
    let manager = site.caller("manager").await;
    let args = account::Issue {
        order: number,
        address: None,
        shown: false,
    };
    let password = account::issue(&manager, args).await.unwrap().password;
    let account: AccountId = site.login(TARO, &password).await.unwrap().account;
    let resolve = async |to: &str, size| site.directory.resolve(&address(to), size).await.unwrap();
    assert!(matches!(resolve(TARO, 1000).await, Resolution::Local(_)));
    assert_eq!(resolve(TARO, 1001).await, Resolution::OverQuota);
    assert!(matches!(
        resolve("postmaster@example.jp", 1001).await,
        Resolution::Local(_)
    ));
    // Size unknown: refused when nothing fits any more.
    let event = Event::new(Kind::AccountChanged, Actor::System);
    site.store
        .commit(Vec::new(), move |tx| -> Result<_, store::Error> {
            mailbox::set_quota(tx, account, Some(0))?;
            tx.record(&event, ())
        })
        .await
        .unwrap();
    assert_eq!(resolve(TARO, 0).await, Resolution::OverQuota);
}

async fn forward(site: &Site, by: &str, from: &str, to: &str) -> Result<(), CommandError> {
    let wish = onward::Wish {
        name: from.to_owned(),
        target: address(to),
        order: None,
        until: None,
    };
    onward::add(&site.caller(by).await, wish).await
}

/// Who keeps mail for `to`, and what goes on elsewhere, from whom.
async fn kept(site: &Site, to: &str) -> (Vec<String>, Vec<(String, String)>) {
    let resolved = site.directory.resolve(&address(to), 100).await.unwrap();
    let Resolution::Local(found) = resolved else {
        panic!("{to}: {resolved:?}");
    };
    let mut away = Vec::new();
    for recipient in &found {
        for target in &recipient.onward {
            away.push((recipient.address.to_string(), target.to_string()));
        }
    }
    let keeping = found.iter().filter(|recipient| recipient.keeps);
    (keeping.map(|r| r.address.to_string()).collect(), away)
}

#[tokio::test]
async fn mail_goes_on_to_others_here_and_somebody_always_keeps_it() {
    let mut site = Site::open().await;
    for (name, main) in [
        ("taro", TARO),
        ("jiro", JIRO),
        ("guard", "guard@example.jp"),
    ] {
        site.issue(name, main).await;
    }
    forward(&site, "taro", TARO, JIRO).await.unwrap();
    let both = (vec![TARO.to_owned(), JIRO.to_owned()], Vec::new());
    assert_eq!(kept(&site, TARO).await, both);
    site.options.forwards_keep_copy = false;
    site.directory.reload(site.options.clone());
    let jiro_alone = (vec![JIRO.to_owned()], Vec::new());
    assert_eq!(kept(&site, TARO).await, jiro_alone);
    // A longer way, and then a circle: the last one keeps it.
    forward(&site, "jiro", JIRO, "guard@example.jp")
        .await
        .unwrap();
    let guard = (vec!["guard@example.jp".to_owned()], Vec::new());
    assert_eq!(kept(&site, TARO).await, guard);
    forward(&site, "guard", "guard@example.jp", TARO)
        .await
        .unwrap();
    for start in [TARO, JIRO, "guard@example.jp"] {
        let (keeping, away) = kept(&site, start).await;
        assert_eq!((keeping.len(), away.len()), (1, 0), "{start}: {keeping:?}");
    }
    let guards = site.caller("guard").await;
    onward::remove(&guards, "guard@example.jp", &address(TARO))
        .await
        .unwrap();
    assert_eq!(kept(&site, TARO).await, guard);
    // To nobody, to itself, twice, by another, whatever the role.
    for (by, from, to) in [
        ("guard", "guard@example.jp", "nobody@example.jp"),
        ("taro", TARO, TARO),
        ("taro", TARO, JIRO),
        ("jiro", TARO, "guard@example.jp"),
        ("guard", TARO, "guard@example.jp"),
        ("manager", "guard@example.jp", JIRO),
    ] {
        forward(&site, by, from, to).await.unwrap_err();
    }
    // Whoever it leads to may go away: then it is kept.
    forward(&site, "guard", "guard@example.jp", "jiro+x@example.jp")
        .await
        .unwrap();
    account::suspend(&site.caller("guard").await, JIRO, "test")
        .await
        .unwrap();
    let (keeping, _) = kept(&site, "guard@example.jp").await;
    assert_eq!(keeping.len(), 1, "{keeping:?}");
    assert_eq!(site.events(Kind::ForwardAdded).await.len(), 4);
}

#[tokio::test]
async fn mail_goes_on_to_outside_only_as_an_order_says_and_as_long() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let away = "taro@home.example";
    let refused = forward(&site, "taro", TARO, away).await.unwrap_err();
    assert!(refused.to_string().contains("needs an order"), "{refused}");
    let until = site
        .clock
        .now()
        .checked_add(jiff::SignedDuration::from_hours(48));
    let ordered = order::ForwardOrder {
        address: address(TARO),
        to: address(away),
        until: until.ok(),
    };
    let number = order::forward(&site.caller("chief").await, ordered)
        .await
        .unwrap();
    let add = async |by: &str, to: &str| {
        let wish = onward::Wish {
            name: TARO.to_owned(),
            target: address(to),
            order: Some(number),
            until: None,
        };
        onward::add(&site.caller(by).await, wish).await
    };
    add("manager", away).await.unwrap_err();
    site.approve(number).await;
    for (by, to) in [
        ("taro", away),
        ("chief", away),
        ("manager", "x@home.example"),
    ] {
        add(by, to).await.unwrap_err();
    }
    add("manager", away).await.unwrap();
    let used = add("manager", away).await.unwrap_err();
    assert!(used.to_string().contains("used"), "{used}");
    let on = vec![(TARO.to_owned(), away.to_owned())];
    assert_eq!(kept(&site, TARO).await, (vec![TARO.to_owned()], on));
    let event = site.last_event(Kind::ForwardAdded).await.event;
    assert_eq!(event.order, Some(number));
    assert_eq!(onward::expire(&site.directory).await.unwrap(), 0);
    site.days(2);
    let alone = (vec![TARO.to_owned()], Vec::new());
    assert_eq!(kept(&site, TARO).await, alone, "its day has come");
    assert_eq!(onward::expire(&site.directory).await.unwrap(), 1);
    let taro = site.caller("taro").await;
    assert!(onward::list(&taro, Some(TARO)).await.unwrap().is_empty());
    assert!(
        onward::list(&taro, None).await.is_err(),
        "all of them are for officers"
    );
}

#[tokio::test]
async fn some_aliases_are_for_some_writers() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let manager = site.caller("manager").await;
    let team = address("team@example.jp");
    let none = writers::set(&manager, &team, Writers::Members, Vec::new()).await;
    assert!(matches!(none.unwrap_err(), CommandError::NoSuch { .. }));
    alias::add_alias(&manager, &team, TARO).await.unwrap();
    writers::set(&manager, &team, Writers::Members, Vec::new())
        .await
        .unwrap();
    let resolved = site
        .directory
        .resolve(&address("Team+x@example.jp"), 1)
        .await;
    let resolved = resolved.unwrap();
    assert!(
        matches!(&resolved, Resolution::Restricted(found, rule) if found.len() == 1 && rule.writers == Writers::Members),
        "{resolved:?}"
    );
    let own = writers::set(&manager, &address(TARO), Writers::Inside, Vec::new()).await;
    assert!(matches!(own.unwrap_err(), CommandError::Argument(_)));
    writers::set(&manager, &team, Writers::Anyone, Vec::new())
        .await
        .unwrap();
    let open = site.directory.resolve(&team, 1).await.unwrap();
    assert!(matches!(open, Resolution::Local(_)));

    // The rule ends with the last whom the alias means, and does not wait for who gets it next.
    writers::set(&manager, &team, Writers::Members, Vec::new())
        .await
        .unwrap();
    alias::remove_alias(&manager, &team, TARO).await.unwrap();
    let event = site.last_event(Kind::AccountChanged).await.event;
    assert_eq!(event.detail["writers"], "anyone");
    assert_eq!(event.detail["writers_before"], "members");
    alias::add_alias(&manager, &team, TARO).await.unwrap();
    let open = site.directory.resolve(&team, 1).await.unwrap();
    assert!(matches!(open, Resolution::Local(_)), "{open:?}");
}

/// Mail for others is given to oneself by another person (clause 7.1(4)).
#[tokio::test]
async fn nobody_alone_makes_anothers_address_their_own() {
    const MANAGER: &str = "manager@example.jp";
    const CHIEF: &str = "chief@example.jp";
    let site = Site::open().await;
    for (whom, what) in [
        ("taro", TARO),
        ("jiro", JIRO),
        ("manager", MANAGER),
        ("chief", CHIEF),
    ] {
        site.issue(whom, what).await;
    }
    let manager = site.caller("manager").await;
    let (team, postmaster) = (address("team@example.jp"), address("postmaster@example.jp"));
    alias::add_alias(&manager, &team, TARO).await.unwrap();
    // What nobody routed goes to the first account, which is another's too.
    assert_eq!(only(&site, "postmaster@example.jp").await, CHIEF);
    let refused = alias::role(&manager, &postmaster, MANAGER).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("another person"), "{refused}");
    alias::role(&manager, &postmaster, TARO).await.unwrap();
    let event = site.last_event(Kind::AccountChanged).await.event;
    assert_eq!(event.detail["role_address_before"], CHIEF);
    let refused = [
        alias::add_alias(&manager, &team, MANAGER).await,
        alias::role(&manager, &postmaster, MANAGER).await,
    ];
    for refused in refused {
        let refused = refused.unwrap_err();
        assert!(refused.to_string().contains("another person"), "{refused}");
    }
    assert_eq!(reached(&site, "team@example.jp").await.0, [TARO]);
    assert_eq!(only(&site, "postmaster@example.jp").await, TARO);
    // One's own may be shared with others, and others may be given what is another's.
    let news = address("news@example.jp");
    alias::add_alias(&manager, &news, MANAGER).await.unwrap();
    alias::add_alias(&manager, &news, TARO).await.unwrap();
    alias::add_alias(&manager, &team, JIRO).await.unwrap();

    let chief = site.caller("chief").await;
    role::grant(&chief, "jiro", Role::AccountManager)
        .await
        .unwrap();
    let jiro = site.caller("jiro").await;
    alias::role(&jiro, &postmaster, MANAGER).await.unwrap();
    alias::add_alias(&jiro, &team, MANAGER).await.unwrap();
    let event = site.last_event(Kind::AccountChanged).await.event;
    assert_eq!(event.subject, MANAGER);
    assert_eq!(
        event.detail["targets_before"],
        serde_json::json!([TARO, JIRO])
    );
    assert!(!event.detail.contains_key("single_person"));

    // Where there is one person for it, and the site permits that, the event says so.
    role::grant(&chief, "chief", Role::AccountManager)
        .await
        .unwrap();
    role::revoke(&chief, "jiro", Role::AccountManager)
        .await
        .unwrap();
    for name in ["deputy", "clerk", "guard", "manager"] {
        person::leave(&chief, name).await.unwrap();
    }
    let chief = site.caller("chief").await;
    let refused = alias::add_alias(&chief, &team, CHIEF).await.unwrap_err();
    assert!(matches!(refused, CommandError::State(_)), "{refused}");
    let mut options = site.options.clone();
    options.allow_single_person = true;
    site.directory.reload(options);
    let refused = alias::add_alias(&chief, &team, CHIEF).await.unwrap_err();
    assert!(matches!(refused, CommandError::State(_)), "{refused}");
    site.days(31);
    alias::add_alias(&chief, &team, CHIEF).await.unwrap();
    let event = site.last_event(Kind::AccountChanged).await.event;
    assert_eq!(event.detail["single_person"], true);
}

#[tokio::test]
async fn some_aliases_are_for_those_who_were_named() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    site.issue("jiro", JIRO).await;
    let manager = site.caller("manager").await;
    let team = address("team@example.jp");
    alias::add_alias(&manager, &team, TARO).await.unwrap();
    let named = async |rule, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        writers::set(&manager, &team, rule, names).await
    };
    for (rule, names) in [
        (Writers::Named, &[][..]),
        (Writers::Inside, &[JIRO][..]),
        (Writers::Named, &["nobody@example.jp"][..]),
    ] {
        assert!(named(rule, names).await.is_err(), "{names:?}");
    }
    let set = named(Writers::Named, &[JIRO, "JIRO"]).await;
    assert!(set.is_err(), "of two domains a bare local part is nobody");
    let set = named(Writers::Named, &[JIRO, "Jiro@Example.JP"])
        .await
        .unwrap();
    assert_eq!(set.named, [JIRO]);
    let event = site.last_event(Kind::AccountChanged).await.event;
    assert_eq!(event.detail["named"], serde_json::json!([JIRO]));
    assert_eq!(event.detail["writers_before"], "anyone");
    let jiro = site.directory.accounts_of("jiro").await.unwrap();
    let resolved = site.directory.resolve(&team, 1).await.unwrap();
    assert!(
        matches!(&resolved, Resolution::Restricted(_, rule) if rule.writers == Writers::Named && rule.accounts == jiro),
        "{resolved:?}"
    );
    // With the account its permission goes: nobody may write then, and not everybody.
    let chief = site.caller("chief").await;
    let wish = order::DeleteOrder {
        for_person: "jiro".to_owned(),
        address: None,
        not_before: None,
    };
    let number = order::delete(&chief, wish).await.unwrap();
    site.approve(number).await;
    let gone = account::delete(&manager, number).await.unwrap();
    assert!(
        gone.references
            .iter()
            .any(|one| one.contains("named to write")),
        "{gone:?}"
    );
    let resolved = site.directory.resolve(&team, 1).await.unwrap();
    assert!(
        matches!(&resolved, Resolution::Restricted(_, rule) if rule.accounts.is_empty()),
        "{resolved:?}"
    );
    let shown = writers::show(&manager, &team).await.unwrap();
    assert_eq!((shown.writers, shown.named.len()), ("named", 0));
}

//! No address without an approved order, and each order is good for one thing, once, in time (clause 7.1(1)).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use directory::{
    Directory, Options,
    command::{
        CommandError, OrderProblem, OrderState, account, address as alias, arrival, on_record,
        order, person,
    },
};
use site::{Site, address};
use trail::Kind;

async fn try_issue(site: &Site, number: i64) -> Result<account::Issued, CommandError> {
    account::issue(
        &site.caller("manager").await,
        account::Issue {
            order: number,
            address: None,
            shown: false,
        },
    )
    .await
}

fn problem<T: std::fmt::Debug>(result: Result<T, CommandError>) -> OrderProblem {
    match result {
        Err(CommandError::Order { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_order_is_used_once_after_approval_and_in_time() {
    let site = Site::open().await;
    assert!(matches!(
        try_issue(&site, 1).await,
        Err(CommandError::NoSuch { .. })
    ));
    let number = site.order_issue("taro", "taro@example.jp").await;
    assert_eq!(number, 1);
    assert_eq!(
        problem(try_issue(&site, number).await),
        OrderProblem::NotApproved
    );
    site.approve(number).await;
    let deputy = site.caller("deputy").await;
    assert_eq!(
        problem(order::approve(&deputy, number).await),
        OrderProblem::Approved
    );

    let manager = site.caller("manager").await;
    let other = account::Issue {
        order: number,
        address: Some(address("jiro@example.jp")),
        shown: false,
    };
    assert_eq!(
        problem(account::issue(&manager, other).await),
        OrderProblem::Address("taro@example.jp".into())
    );
    assert!(matches!(
        problem(account::delete(&manager, number).await),
        OrderProblem::Kind { .. }
    ));
    try_issue(&site, number).await.unwrap();
    assert_eq!(problem(try_issue(&site, number).await), OrderProblem::Used);
    let view = order::show(&deputy, number).await.unwrap();
    assert_eq!(view.state, OrderState::Used);
    assert_eq!(view.used_for.as_deref(), Some("taro@example.jp"));
    assert_eq!(view.used_by.as_deref(), Some("manager"));

    let late = site.order_issue("jiro", "jiro@example.jp").await;
    assert_eq!(late, 2);
    site.approve(late).await;
    site.days(31);
    assert_eq!(problem(try_issue(&site, late).await), OrderProblem::Expired);
    assert!(order::show(&deputy, late).await.unwrap().expired);
}

#[tokio::test]
async fn it_takes_two_of_whom_one_orders_and_the_other_carries_out() {
    let site = Site::open().await;
    let chief = site.caller("chief").await;
    let number = site.order_issue("taro", "taro@example.jp").await;
    assert_eq!(
        problem(order::approve(&chief, number).await),
        OrderProblem::SecondPerson
    );
    site.approve(number).await;
    for officer in ["chief", "deputy"] {
        directory::command::role::grant(&chief, officer, directory::Role::AccountManager)
            .await
            .unwrap();
    }
    let issue = |order| account::Issue {
        order,
        address: None,
        shown: false,
    };
    assert_eq!(
        problem(account::issue(&chief, issue(number)).await),
        OrderProblem::SecondPerson
    );
    assert!(site.events(Kind::AccountIssued).await.is_empty());
    let deputy = site.caller("deputy").await;
    account::issue(&deputy, issue(number)).await.unwrap();
    let event = site.last_event(Kind::AccountIssued).await.event;
    assert!(!event.detail.contains_key("single_person"));

    // A site may permit it, while nobody else is there to ask; then the events say that it happened.
    let lone = Options {
        allow_single_person: true,
        ..site::options()
    };
    let lone = Directory::new(
        site.store.clone(),
        world::World::new(site.clock.clone(), Zero),
        lone,
    );
    let chief = directory::command::Caller::of_user(&lone, "chief", "test")
        .await
        .unwrap();
    let args = order::IssueOrder {
        for_person: "jiro".into(),
        address: address("jiro@example.jp"),
        name: None,
        quota: Some(1 << 20),
    };
    let number = order::issue(&chief, args.clone()).await.unwrap();
    assert!(!lone.permits_single_person().await.unwrap());
    assert_eq!(
        problem(order::approve(&chief, number).await),
        OrderProblem::SecondPerson
    );
    for officer in ["deputy", "manager", "clerk", "guard"] {
        person::leave(&chief, officer).await.unwrap();
    }
    // Whoever ceases to be an officer counts on for as long as an order lasts.
    assert!(!lone.permits_single_person().await.unwrap());
    assert_eq!(
        problem(order::approve(&chief, number).await),
        OrderProblem::SecondPerson
    );
    let month = std::time::Duration::from_secs(86_400 * 30);
    let from = world::Clock::now(&site.clock).checked_add(month).unwrap();
    let told = lone.alone_again_at().await.unwrap().unwrap();
    assert!(
        told > world::Clock::now(&site.clock) && told <= from,
        "{told}"
    );
    site.days(31);
    assert_eq!(lone.alone_again_at().await.unwrap(), None);
    assert!(lone.permits_single_person().await.unwrap());
    // The order has lapsed meanwhile.
    assert_eq!(
        problem(order::approve(&chief, number).await),
        OrderProblem::Expired
    );
    let number = order::issue(&chief, args.clone()).await.unwrap();
    order::approve(&chief, number).await.unwrap();
    // From the day on that a second person holds a role, what was begun alone needs two.
    directory::command::role::grant(&chief, "taro", directory::Role::Administrator)
        .await
        .unwrap();
    assert_eq!(
        problem(account::issue(&chief, issue(number)).await),
        OrderProblem::SecondPerson
    );
    directory::command::role::revoke(&chief, "taro", directory::Role::Administrator)
        .await
        .unwrap();
    assert_eq!(
        problem(account::issue(&chief, issue(number)).await),
        OrderProblem::SecondPerson
    );
    site.days(31);
    let number = order::issue(&chief, args).await.unwrap();
    order::approve(&chief, number).await.unwrap();
    account::issue(&chief, issue(number)).await.unwrap();
    for kind in [Kind::OrderApproved, Kind::AccountIssued] {
        let event = site.last_event(kind).await.event;
        assert_eq!(
            event.detail.get("single_person"),
            Some(&true.into()),
            "{}",
            kind.as_str()
        );
    }
}

struct Zero;
impl world::Random for Zero {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[tokio::test]
async fn addresses_are_own_free_and_never_second_hand() {
    let site = Site::open().await;
    site.issue("taro", "taro@example.jp").await;
    let chief = site.caller("chief").await;
    let wish = |what: &str| order::IssueOrder {
        for_person: "jiro".into(),
        address: address(what),
        name: None,
        quota: None,
    };
    assert!(matches!(
        order::issue(&chief, wish("a@elsewhere.jp")).await,
        Err(CommandError::NotOwn(_))
    ));
    assert!(matches!(
        order::issue(&chief, wish("TARO@example.jp")).await,
        Err(CommandError::Exists { .. })
    ));
    let nobody = order::IssueOrder {
        for_person: "nobody".into(),
        ..wish("b@example.jp")
    };
    assert!(matches!(
        order::issue(&chief, nobody).await,
        Err(CommandError::NoSuch { .. })
    ));

    // Two orders for one address: the second finds it taken.
    let one = site.order_issue("jiro", "shared@example.jp").await;
    let two = site.order_issue("taro", "shared@example.jp").await;
    site.approve(one).await;
    site.approve(two).await;
    try_issue(&site, one).await.unwrap();
    assert!(matches!(
        try_issue(&site, two).await,
        Err(CommandError::Exists { .. })
    ));
}

/// Neither a tag nor another way to write it makes a new address of one that is or was another's.
#[tokio::test]
async fn no_address_passes_for_anothers() {
    let site = Site::open().await;
    let chief = site.caller("chief").await;
    let manager = site.caller("manager").await;
    site.issue("taro", "late@example.jp").await;
    site.issue("taro", "stra\u{df}e@example.jp").await;
    let args = order::DeleteOrder {
        for_person: "taro".into(),
        address: Some(address("late@example.jp")),
        not_before: None,
    };
    let number = order::delete(&chief, args).await.unwrap();
    site.approve(number).await;
    account::delete(&manager, number).await.unwrap();
    site.issue("jiro", "jiro@example.jp").await;
    for (wanted, told) in [
        ("late+x@example.jp", "late@example.jp"),
        ("LATE+x+y@example.jp", "late@example.jp"),
        ("strasse@example.jp", "stra\u{df}e"),
        ("stra\u{df}e+x@example.jp", "stra\u{df}e@example.jp"),
    ] {
        let wish = order::IssueOrder {
            for_person: "jiro".into(),
            address: address(wanted),
            name: None,
            quota: None,
        };
        let refused = order::issue(&chief, wish).await.unwrap_err();
        assert!(refused.to_string().contains(told), "{wanted}: {refused}");
        let refused = alias::add_alias(&manager, &address(wanted), "jiro@example.jp").await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(told), "{wanted}: {refused}");
    }
    // One's own, with a tag, is nobody else's.
    let own = address("jiro+orders@example.jp");
    alias::add_alias(&manager, &own, "jiro@example.jp")
        .await
        .unwrap();
    site.issue("jiro", "a+b@branch.example.jp").await;
}

#[tokio::test]
async fn a_deletion_waits_for_its_day() {
    let site = Site::open().await;
    site.issue("taro", "taro@example.jp").await;
    let day = world::Clock::now(&site.clock)
        .checked_add(std::time::Duration::from_secs(86_400 * 5))
        .unwrap();
    let args = order::DeleteOrder {
        for_person: "taro".into(),
        address: Some(address("taro@example.jp")),
        not_before: Some(day),
    };
    let number = order::delete(&site.caller("chief").await, args)
        .await
        .unwrap();
    site.approve(number).await;
    let manager = site.caller("manager").await;
    assert_eq!(
        problem(account::delete(&manager, number).await),
        OrderProblem::TooEarly(day)
    );
    site.days(6);
    account::delete(&manager, number).await.unwrap();
}

/// A departure that is announced long before, and one that is put off after the order was approved.
#[tokio::test]
async fn a_deletion_follows_the_departure() {
    let site = Site::open().await;
    site.issue("taro", "taro@example.jp").await;
    let clerk = site.caller("clerk").await;
    let chief = site.caller("chief").await;
    let manager = site.caller("manager").await;
    let day = |days: u64| {
        let now = world::Clock::now(&site.clock);
        now.checked_add(std::time::Duration::from_secs(86_400 * days))
            .unwrap()
    };
    arrival::depart(&clerk, "taro", day(60)).await.unwrap();
    let wish = |not_before| order::DeleteOrder {
        for_person: "taro".into(),
        address: None,
        not_before,
    };
    // Not before the departure, whatever the order would say.
    let early = order::delete(&chief, wish(Some(day(5)))).await;
    assert!(matches!(early, Err(CommandError::Argument(_))), "{early:?}");
    let number = order::delete(&chief, wish(None)).await.unwrap();
    site.approve(number).await;
    site.days(59);
    assert!(matches!(
        problem(account::delete(&manager, number).await),
        OrderProblem::TooEarly(_)
    ));
    // Put off by two weeks, after the approval.
    let later = day(15);
    arrival::depart(&clerk, "taro", later).await.unwrap();
    site.days(2);
    assert_eq!(
        problem(account::delete(&manager, number).await),
        OrderProblem::NotLeftYet(later)
    );
    site.days(14);
    account::delete(&manager, number).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_use_one_order_at_once_one_is_refused() {
    let site = Site::open().await;
    let number = site.order_issue("taro", "taro@example.jp").await;
    site.approve(number).await;
    let (one, other) = tokio::join!(try_issue(&site, number), try_issue(&site, number));
    let (done, refused) = match (one, other) {
        (Ok(done), Err(refused)) | (Err(refused), Ok(done)) => (done, refused),
        both => panic!("{both:?}"),
    };
    assert_eq!(done.identifier, "taro@example.jp");
    assert!(refused.to_string().contains("used"), "{refused}");
    assert_eq!(site.events(Kind::AccountIssued).await.len(), 1);
}

/// Names in any script, and nothing in them that makes a reader see another name.
#[tokio::test]
async fn what_nobody_sees_stands_in_no_name_and_no_address() {
    let site = Site::open().await;
    let chief = site.caller("chief").await;
    let add = async |name: &str, full_name: &str| {
        let wish = person::Add {
            name: name.to_owned(),
            full_name: Some(full_name.to_owned()),
            os_user: None,
        };
        person::add(&chief, wish).await
    };
    for (name, full_name) in [
        ("hanako", "田中 花子"),
        ("maria", "María José Ñuñez"),
        ("yael", "יעל כהן"),
        ("parisa", "پریسا می\u{200c}خواهد"),
        ("olga", "Ольга Іванова"),
    ] {
        add(name, full_name).await.unwrap();
    }
    // What differs in case, width or form alone passes for another in the trail.
    for (name, other) in [
        ("Hanako", "hanako"),
        ("ｈａｎａｋｏ", "hanako"),
        ("MARIA", "maria"),
        ("hanako", "hanako"),
    ] {
        let refused = add(name, "another").await.unwrap_err();
        assert!(
            matches!(&refused, CommandError::Exists { what: "person", name } if name == other),
            "{refused}"
        );
    }
    for full_name in [
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{200b}b",
        "a\u{7}b",
        "\u{200f}",
        "",
    ] {
        let refused = add("someone", full_name).await.unwrap_err();
        assert!(matches!(refused, CommandError::Argument(_)), "{refused}");
    }
    for address in [
        "ta\u{200b}ro@example.jp",
        "ｔａｒｏ@example.jp",
        "taro\u{202e}@example.jp",
    ] {
        let Ok(address) = message::address::Address::parse(address) else {
            continue;
        };
        let wish = order::IssueOrder {
            for_person: "taro".to_owned(),
            address,
            name: None,
            quota: None,
        };
        let refused = order::issue(&chief, wish).await.unwrap_err();
        assert!(matches!(refused, CommandError::Argument(_)), "{refused}");
    }
}

/// Who can write into the database makes no order, and changes none.
#[tokio::test]
async fn an_order_that_is_not_on_record_as_it_stands_is_refused() {
    let site = Site::open().await;
    let forge = async |statement: &'static str| {
        let work = move |tx: &mut store::Tx<'_>| -> Result<_, store::Error> {
            tx.execute(statement, &[])?;
            tx.record(
                &trail::Event::new(Kind::StoreRepaired, trail::Actor::System),
                (),
            )
        };
        site.store.commit(Vec::new(), work).await.unwrap();
    };
    // Never approved by anybody.
    let first = site.order_issue("taro", "taro@example.jp").await;
    forge("UPDATE orders SET state = 'approved', approved_at = issued_at, expires_at = 9000000000000000, approved_by = issued_by").await;
    assert_eq!(problem(try_issue(&site, first).await), OrderProblem::Forged);
    // Approved for another address, or for another person.
    let second = site.order_issue("jiro", "jiro@example.jp").await;
    site.approve(second).await;
    forge("UPDATE orders SET details = replace(details, 'jiro@', 'mayor@') WHERE number = 2").await;
    assert_eq!(
        problem(try_issue(&site, second).await),
        OrderProblem::Forged
    );
    forge("UPDATE orders SET details = replace(details, 'mayor@', 'jiro@'), approved_by = issued_by WHERE number = 2").await;
    assert_eq!(
        problem(try_issue(&site, second).await),
        OrderProblem::Forged
    );
    let deputy = "UPDATE orders SET approved_by = (SELECT id FROM person WHERE name = 'deputy') WHERE number = 2";
    forge(deputy).await;
    try_issue(&site, second).await.unwrap();
    // Used again, issued by another, good for longer, or begun.
    let reopened = "UPDATE orders SET state = 'approved' WHERE number = 2";
    forge(reopened).await;
    assert_eq!(
        problem(try_issue(&site, second).await),
        OrderProblem::Forged
    );
    let told = on_record::off_record(&site.directory).await.unwrap();
    let told: Vec<i64> = told.into_iter().map(|(number, _)| number).collect();
    assert_eq!(told, [1, 2]);
    let third = site.order_issue("jiro", "third@example.jp").await;
    forge("UPDATE orders SET details = replace(details, 'third@', 'mayor@') WHERE number = 3")
        .await;
    let deputy = site.caller("deputy").await;
    assert_eq!(
        problem(order::approve(&deputy, third).await),
        OrderProblem::Forged
    );
    forge("UPDATE orders SET details = replace(details, 'mayor@', 'third@') WHERE number = 3")
        .await;
    site.approve(third).await;
    for (forged, mended) in [
        (
            "UPDATE orders SET issued_by = (SELECT id FROM person WHERE name = 'guard') WHERE number = 3",
            "UPDATE orders SET issued_by = (SELECT id FROM person WHERE name = 'chief') WHERE number = 3",
        ),
        (
            "UPDATE orders SET expires_at = expires_at + 1 WHERE number = 3",
            "UPDATE orders SET expires_at = expires_at - 1 WHERE number = 3",
        ),
        (
            "UPDATE orders SET state = 'executing' WHERE number = 3",
            "UPDATE orders SET state = 'approved' WHERE number = 3",
        ),
    ] {
        forge(forged).await;
        assert_eq!(problem(try_issue(&site, third).await), OrderProblem::Forged);
        let told = on_record::off_record(&site.directory).await.unwrap();
        assert!(told.iter().any(|(number, _)| *number == third), "{told:?}");
        forge(mended).await;
    }
    site.days(31);
    forge("UPDATE orders SET expires_at = 9000000000000000 WHERE number = 3").await;
    assert_eq!(problem(try_issue(&site, third).await), OrderProblem::Forged);
    let refused = site.events(Kind::CommandGiven).await.into_iter();
    let refused = refused.filter(|event| event.event.outcome == trail::Outcome::Refused);
    assert_eq!(refused.count(), 9);
}

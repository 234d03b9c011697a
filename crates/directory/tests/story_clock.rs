//! A clock that is put back brings nothing back that was over, and is on record.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::time::Duration;

use directory::command::{
    CommandError, OrderProblem, account,
    app_password::{self, Wish},
    idle, order, second_factor,
};
use site::Site;
use trail::{Kind, Outcome};
use world::Clock as _;

const TARO: &str = "taro@example.jp";
const DAY: u64 = 24 * 60 * 60;

async fn issue(site: &Site, order: i64) -> Result<account::Issued, CommandError> {
    let address = None;
    let manager = site.caller("manager").await;
    account::issue(
        &manager,
        account::Issue {
            order,
            address,
            shown: false,
        },
    )
    .await
}

fn is_over(result: Result<account::Issued, CommandError>) -> bool {
    let problem = result.unwrap_err();
    matches!(
        problem,
        CommandError::Order {
            problem: OrderProblem::Expired,
            ..
        }
    )
}

#[tokio::test]
async fn what_was_over_stays_over_when_the_clock_is_put_back() {
    let site = Site::open().await;
    site.issue("taro", TARO).await;
    let taro = site.caller("taro").await;
    let password: protocol::sasl::Secret = "長い道のり9-ミチ".into();
    let chosen = Some(password.clone());
    account::password(&taro, TARO, chosen).await.unwrap();
    let ends = jiff::SignedDuration::from_hours(24);
    let wish = Wish {
        name: "trip".to_owned(),
        msa: true,
        mra: true,
        expires_at: site.clock.now().checked_add(ends).ok(),
    };
    let trip = app_password::add(&taro, TARO, wish).await.unwrap();
    let late = site.order_issue("jiro", "jiro@example.jp").await;
    site.approve(late).await;
    site.days(31);
    assert!(is_over(issue(&site, late).await));
    assert!(site.login(TARO, &trip.password).await.is_err());

    let before = site.last_event(Kind::CommandGiven).await.at;
    site.clock.put_back(Duration::from_secs(30 * DAY + DAY / 2));
    assert!(is_over(issue(&site, late).await));
    let refused = site.last_event(Kind::CommandGiven).await;
    let deputy = site.caller("deputy").await;
    assert!(order::show(&deputy, late).await.unwrap().expired);
    assert!(site.login(TARO, &trip.password).await.is_err());
    site.login(TARO, &password).await.unwrap();
    // The trail's times do not go back; that the clock did is told once.
    assert!(refused.at >= before);
    assert_eq!(refused.event.outcome, Outcome::Refused);
    let told = site.events(Kind::ClockBehind).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let behind = told[0].event.detail["seconds"].as_u64().unwrap();
    assert_eq!(behind, 30 * DAY + DAY / 2);

    // It catches up, and is put back again; a second that a time service corrects is nothing to tell.
    site.days(31);
    site.login(TARO, &password).await.unwrap();
    site.clock.put_back(Duration::from_secs(1));
    site.login(TARO, &password).await.unwrap();
    assert_eq!(site.events(Kind::ClockBehind).await.len(), 1);
    site.clock.put_back(Duration::from_secs(60));
    site.login(TARO, &password).await.unwrap();
    assert_eq!(site.events(Kind::ClockBehind).await.len(), 2);
}

#[tokio::test]
async fn a_code_that_was_used_is_used_when_the_clock_is_put_back() {
    let mut site = Site::open().await;
    site.options.free_failures = 1000;
    site.directory.reload(site.options.clone());
    site.issue("taro", TARO).await;
    let taro = site.caller("taro").await;
    let password: protocol::sasl::Secret = "長い道のり9-ミチ".into();
    let set = account::password(&taro, TARO, Some(password.clone())).await;
    set.unwrap();
    let offer = second_factor::offer(&site.directory, TARO, "mail.example.jp");
    let first = site.code(&offer.secret);
    let added = second_factor::add(&taro, TARO, "phone", &offer.secret, &first).await;
    added.unwrap();
    let prove = async |code: &str| {
        let attempt = directory::Attempt {
            service: directory::Service::Web,
            ..site::attempt("FORM")
        };
        let code = code.into();
        site.directory
            .authenticate_with_code(&attempt, TARO, password.expose(), &code)
            .await
    };
    site.clock.advance(Duration::from_secs(120));
    let second = site.code(&offer.secret);
    prove(&second).await.unwrap();
    // Back to the time of the first: neither it nor one between is good, though its time has come again.
    site.clock.put_back(Duration::from_secs(120));
    for code in [&first, &second, &site.code(&offer.secret)] {
        prove(code).await.unwrap_err();
    }
    // When it has caught up, codes are good again.
    site.clock.advance(Duration::from_secs(180));
    prove(&site.code(&offer.secret)).await.unwrap();
}

#[tokio::test]
async fn nobody_lies_idle_by_a_clock_that_goes_wrong() {
    let site = Site::open().await;
    let password = site.issue("taro", TARO).await;
    site.days(10);
    site.login(TARO, &password).await.unwrap();
    // A login by a clock that was put back does not make the last use older.
    site.clock.put_back(Duration::from_secs(9 * DAY));
    site.login(TARO, &password).await.unwrap();
    site.days(9 + 89);
    assert!(idle::found(&site.directory).await.unwrap().is_empty());
    site.days(2);
    let found = idle::found(&site.directory).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
}

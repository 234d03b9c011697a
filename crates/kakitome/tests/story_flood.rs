//! A flood of mail to nobody and of mail without a sender: it is turned away in sum, and others are not concerned (clauses 4.4, 5.5(3)).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{net::Ipv4Addr, time::Duration};

use support::{Letter, Site, line::Lines, site, smtp, until};

const SOON: Duration = Duration::from_secs(40);
const FLOODER: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 9);
const FRIEND: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 10);

fn from(site: &Site, address: Ipv4Addr) -> smtp::Session {
    smtp::Session::over(Lines::connect_from(address, site.address, site::SMTP).unwrap())
}

/// The first line that a client hears.
fn greeting(site: &Site, address: Ipv4Addr) -> String {
    let mut lines = Lines::connect_from(address, site.address, site::SMTP).unwrap();
    String::from_utf8(lines.line().unwrap()).unwrap()
}

fn flooded() -> Site {
    let mut site = Site::new("city.example");
    for line in [
        "unknown_recipients_per_network = 10",
        "null_senders_per_network = 3",
        "flood_pause = \"10ms\"",
    ] {
        site.set("limits", line);
    }
    site.serve();
    site
}

#[test]
fn who_names_too_many_who_are_not_here_is_turned_away_and_others_are_not() {
    let mut site = flooded();
    let tanaka = site.person("tanaka");
    let letter = Letter::new("wanted", "friend@away.example", &tanaka.address);
    // One who is not here among those who are is forgiven, however often.
    let mut friend = from(&site, FRIEND);
    for count in 0..15 {
        friend.expect("MAIL FROM:<friend@away.example>", 250);
        friend.expect(&format!("RCPT TO:<left{count}@city.example>"), 550);
        friend.expect("RSET", 250);
        let sent = friend.send(&letter.from, &[&letter.to], &letter.content());
        assert_eq!(sent.unwrap().code, 250, "{count}");
    }
    let before = site.events(&["--kind", "smtp.refused"]).len();
    assert_eq!(before, 15);

    let mut refused = 0;
    let last = loop {
        let mut session = from(&site, FLOODER);
        session.expect("MAIL FROM:<x@spam.example>", 250);
        let reply = session.say(&format!("RCPT TO:<guess{refused}@city.example>"));
        if reply.code != 550 {
            break reply;
        }
        refused += 1;
        assert!(refused < 100, "nothing ends it");
    };
    assert_eq!(last.code, 421, "{last:?}");
    assert!(last.text[0].contains("mail to nobody"), "{last:?}");
    // What came back meanwhile of ten a minute.
    assert!((10..14).contains(&refused), "{refused}");
    for _ in 0..20 {
        let told = greeting(&site, FLOODER);
        assert!(
            told.starts_with("421 4.7.0 Too much mail to nobody"),
            "{told}"
        );
    }
    // No event for each.
    let after = site.events(&["--kind", "smtp.refused"]).len();
    assert_eq!(after - before, refused);
    // Others go on, even those who named somebody who is not here.
    let sent = friend.send(&letter.from, &[&letter.to], &letter.content());
    assert_eq!(sent.unwrap().code, 250);
    assert!(greeting(&site, FRIEND).starts_with("220"));
    site.imap(&tanaka).holds("INBOX", 16, SOON);

    // It is told in sum: here, when the server stops.
    site.stop();
    site.serve();
    let told = until("the flood is told of", SOON, || {
        let events = site.events(&["--kind", "smtp.flood-refused"]);
        (!events.is_empty()).then_some(events)
    });
    assert_eq!(told.len(), 1, "{told:?}");
    let detail = &told[0]["detail"];
    assert_eq!(detail["sessions"], 20, "{detail}");
    assert_eq!(detail["unknown_recipients"], 1, "{detail}");
    assert_eq!(detail["networks"][0], "127.0.1.9 21", "{detail}");
}

#[test]
fn mail_without_a_sender_has_a_budget_of_each_network() {
    let site = flooded();
    let tanaka = site.person("tanaka");
    let mut session = from(&site, FLOODER);
    for _ in 0..3 {
        session.expect("MAIL FROM:<>", 250);
        session.expect("RSET", 250);
    }
    session.expect("MAIL FROM:<>", 421);
    // Its other mail is taken, and bounces of others are.
    let mut session = from(&site, FLOODER);
    let letter = Letter::new("wanted", "x@away.example", &tanaka.address);
    let sent = session.send(&letter.from, &[&letter.to], &letter.content());
    assert_eq!(sent.unwrap().code, 250);
    from(&site, FRIEND).expect("MAIL FROM:<>", 250);
    assert!(site.events(&["--kind", "smtp.refused"]).is_empty());
}

//! The exchange role and the mailbox role in two processes: own mail is handed over with verified TLS, waits
//! while the mailbox server is away, and flows once when it is back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{collections::BTreeMap, fs, thread, time::Duration};

use support::{
    Letter, Person, Site,
    load::{self, Sent},
    site::SMTP,
    smtp, until,
};

const SOON: Duration = Duration::from_secs(40);

/// The two servers of a site, and somebody whose mailbox is there.
struct Pair {
    exchange: Site,
    mailbox: Site,
    tanaka: Person,
}

/// Makes both; `trusted` says whether the exchange knows the mailbox server's certificate.
fn pair(trusted: bool) -> Pair {
    let exchange = Site::with_roles("city.example", "exchange");
    let mailbox = Site::with_roles("city.example", "mailbox");
    fs::copy(
        mailbox.certificate(),
        exchange.path().join("keys/mailbox.crt"),
    )
    .unwrap();
    exchange.unset("mailbox_server");
    let roots = if trusted {
        "keys/mailbox.crt"
    } else {
        "keys/tls.crt"
    };
    exchange.set(
        "exchange",
        &format!(
            "mailbox_server = {{ host = \"[{}]\", port = {SMTP}, ca_file = \"{roots}\", \
             certificate_name = \"{}\" }}",
            mailbox.address,
            mailbox.hostname()
        ),
    );
    exchange.set("delivery", "retry = [\"1s\"]");
    exchange.set("delivery", &format!("bind = \"{}\"", exchange.address));
    mailbox.unset("exchange_servers");
    mailbox.set(
        "mailbox",
        &format!("exchange_servers = [\"{}\"]", exchange.address),
    );
    let (mut exchange, mut mailbox) = (exchange, mailbox);
    mailbox.serve();
    exchange.serve();
    let tanaka = mailbox.person("tanaka");
    Pair {
        exchange,
        mailbox,
        tanaka,
    }
}

#[track_caller]
fn send(site: &Site, letters: &[Letter]) {
    let mut smtp = site.smtp();
    for letter in letters {
        let reply = smtp
            .send(&letter.from, &[&letter.to], &letter.content())
            .unwrap();
        assert_eq!(reply.code, 250, "{reply:?}");
    }
}

/// How often each body is in the INBOX.
fn counted(pair: &Pair) -> BTreeMap<String, u32> {
    let mut imap = pair.mailbox.imap(&pair.tanaka);
    let count = imap.select("INBOX");
    let mut counted = BTreeMap::new();
    for number in 1..=count {
        *counted.entry(imap.body_digest(number)).or_default() += 1;
    }
    counted
}

fn letters(kind: &str, count: u32, to: &str) -> Vec<Letter> {
    (0..count)
        .map(|n| Letter::new(&format!("{kind}-{n}"), "friend@elsewhere.example", to))
        .collect()
}

#[test]
fn mail_waits_for_the_mailbox_server_and_flows_once() {
    let mut pair = pair(true);
    let to = pair.tanaka.address.clone();
    let before = letters("before", 10, &to);
    send(&pair.exchange, &before);
    pair.mailbox.imap(&pair.tanaka).holds("INBOX", 10, SOON);
    pair.exchange.drained(SOON);

    pair.mailbox.kill_hard();
    // Whoever was never asked about is put off at RCPT: accepted mail must not turn out undeliverable later.
    let mut session = pair.exchange.smtp();
    session.expect("MAIL FROM:<friend@elsewhere.example>", 250);
    session.expect("RCPT TO:<never-seen@city.example>", 451);
    let meanwhile = letters("meanwhile", 20, &to);
    send(&pair.exchange, &meanwhile);
    let queued = until("attempts are made", SOON, || {
        let queued = pair.exchange.give(&["queue", "list"]);
        let tried = queued
            .iter()
            .all(|row| row["attempts"].as_u64().unwrap_or(0) > 0);
        (queued.len() == 20 && tried).then_some(queued)
    });
    for row in &queued {
        let why = row["last_reply"].as_str().unwrap();
        assert!(!why.is_empty(), "the reason is told: {row}");
    }
    // The exchange's own restart loses nothing either.
    pair.exchange.kill_hard();
    pair.exchange.serve();
    assert_eq!(pair.exchange.give(&["queue", "list"]).len(), 20);

    pair.mailbox.serve();
    pair.exchange.drained(SOON);
    let found = counted(&pair);
    for letter in before.iter().chain(&meanwhile) {
        assert_eq!(
            found.get(&letter.digest()),
            Some(&1),
            "{} is there once",
            letter.name
        );
    }
    assert_eq!(found.len(), 30);
    let relayed = pair.exchange.events(&["--kind", "delivery.relayed"]);
    assert_eq!(relayed.len(), 30, "each hand-over is an event");
    pair.mailbox.give(&["verify"]);
    pair.exchange.give(&["verify"]);
}

#[test]
fn either_server_is_killed_while_mail_flows_and_nothing_is_lost() {
    let mut pair = pair(true);
    let people = [pair.tanaka.clone()];
    let mut acknowledged = Vec::new();
    for round in ["exchange", "mailbox"] {
        let sent = Sent::default();
        let address = pair.exchange.address;
        thread::scope(|scope| {
            let (sent, people) = (&sent, &people);
            scope.spawn(move || load::send(address, people, round, 10, 600, sent));
            until("enough is acknowledged", SOON, || {
                (sent.count() >= 200).then_some(())
            });
            if round == "exchange" {
                pair.exchange.kill_hard();
            } else {
                pair.mailbox.kill_hard();
                pair.mailbox.serve();
            }
        });
        if round == "exchange" {
            pair.exchange.serve();
        }
        acknowledged.extend(sent.acknowledged.into_inner().unwrap());
        pair.exchange.drained(SOON);
    }
    assert!(acknowledged.len() >= 800, "{}", acknowledged.len());
    let found = counted(&pair);
    let lost = acknowledged
        .iter()
        .filter(|letter| !found.contains_key(&letter.digest()))
        .count();
    assert_eq!(lost, 0, "acknowledged mail is lost");
    // SMTP cannot exclude that a message whose acknowledgement was cut off is sent again (RFC 5321, section
    // 4.5.4.1); that can be no more than were on their way when a server was killed.
    let doubled = found.values().filter(|count| **count > 1).count();
    assert!(doubled <= 2 * 20, "{doubled} messages came twice");
    pair.exchange.give(&["verify"]);
    pair.mailbox.give(&["verify"]);
}

#[test]
fn a_mailbox_server_that_cannot_prove_itself_gets_nothing() {
    let pair = pair(false);
    // The exchange asks the mailbox server whether the recipient exists, and does not trust who answers.
    let letter = Letter::new("secret", "friend@elsewhere.example", &pair.tanaka.address);
    let reply = pair
        .exchange
        .smtp()
        .send(&letter.from, &[&letter.to], &letter.content())
        .unwrap();
    assert_eq!(reply.code, 451, "{reply:?}");
    let log = pair.exchange.log();
    assert!(
        log.contains("invalid peer certificate"),
        "the operator learns why: {log}"
    );
    assert!(counted(&pair).is_empty());
}

#[test]
fn the_mailbox_server_takes_mail_from_its_exchange_servers_alone() {
    let pair = pair(true);
    // This connection comes from 127.0.0.1, which is no exchange server.
    let refusal = match smtp::Session::try_open(pair.mailbox.address, SMTP) {
        Err(error) => error.to_string(),
        Ok(mut session) => {
            let letter = Letter::new("direct", "friend@elsewhere.example", &pair.tanaka.address);
            let reply = session
                .send(&letter.from, &[&letter.to], &letter.content())
                .unwrap();
            assert!(!reply.is_positive(), "{reply:?}");
            format!("{reply:?}")
        }
    };
    assert!(
        refusal.contains("55") || refusal.contains("53"),
        "{refusal}"
    );
    // Whoever is unknown there is refused there; the sender learns of it by a notification, or at RCPT.
    assert!(counted(&pair).is_empty());
}

#[test]
fn who_is_unknown_behind_the_exchange_is_refused_at_rcpt_and_the_others_get_their_mail() {
    let pair = pair(true);
    let suzuki = pair.mailbox.person("suzuki");
    // The exchange asks the mailbox server: so the sender hears at once, and no notification is ever needed.
    let mut smtp = pair.exchange.smtp();
    smtp.expect(&format!("MAIL FROM:<{}>", suzuki.address), 250);
    smtp.expect("RCPT TO:<nobody@city.example>", 550);
    smtp.expect(&format!("RCPT TO:<{}>", pair.tanaka.address), 250);
    smtp.expect("DATA", 354);
    let letter = Letter::new("half", &suzuki.address, &pair.tanaka.address);
    smtp.lines.write(&smtp::stuffed(&letter.content())).unwrap();
    assert_eq!(smtp.reply().unwrap().code, 250);
    pair.mailbox.imap(&pair.tanaka).holds("INBOX", 1, SOON);
    pair.exchange.drained(SOON);
    assert_eq!(pair.mailbox.imap(&suzuki).select("INBOX"), 0);
}

//! Memory for message text is shared: who waits for it does not wait for ever, and nobody holds what it no longer needs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use std::{sync::Arc, time::Duration};

use retrieval::{Listener, Settings};
use site::{Client, Site, TARO};

/// Most of what one identifier may hold of [`small_site`]'s memory.
const LARGE: usize = 2 << 20;

/// A site whose identifiers may hold 3.5 MiB of large text each. Its sessions wait a minute for room and for their clients.
async fn small_site() -> Site {
    Site::open_with(Settings {
        memory_budget: 8 << 20,
        stall_timeout: Duration::from_mins(1),
        minimum_rate: 1,
        ..Settings::default()
    })
    .await
}

fn large() -> Vec<u8> {
    let mut message = b"Subject: large\r\n\r\n".to_vec();
    message.resize(LARGE, b'x');
    message
}

/// From now on sessions begin that wait for room but shortly; those that began before keep their patience.
fn hurry(site: &Site) {
    set_patience(site, Duration::from_millis(400));
}

/// How long the sessions wait that begin from now on.
fn set_patience(site: &Site, patience: Duration) {
    let now = Settings::clone(&site.settings.load());
    site.settings.store(Arc::new(Settings {
        stall_timeout: patience,
        ..now
    }));
}

/// A session that asked for a large message and does not read it.
async fn slow_reader(site: &Site) -> Client {
    let mut slow = site.inbox().await;
    slow.send("s FETCH 1 BODY.PEEK[]\r\n").await;
    // The literal begins: the room is taken.
    assert!(slow.piece().await.contains("FETCH (BODY[] {2097152}"));
    slow
}

#[tokio::test]
async fn the_room_of_a_command_is_given_back_before_the_next_one_that_is_on_its_way() {
    let site = small_site().await;
    let mut client = site.inbox().await;
    client.append("INBOX", "()", large()).await;
    let mut both = format!("a APPEND INBOX {{{LARGE}+}}\r\n").into_bytes();
    both.extend_from_slice(&large());
    both.extend_from_slice(b"\r\nb FETCH 1 BODY.PEEK[]\r\n");
    client.send(both).await;
    let mut ends = Vec::new();
    while ends.len() < 2 {
        let line = client.line().await;
        if !line.starts_with('*') {
            ends.push(line);
        }
    }
    assert!(ends[0].starts_with("a OK"), "{}", ends[0]);
    assert_eq!(ends[1], "b OK Fetched");
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_for_room_is_noticed() {
    let site = small_site().await;
    site.imap().await.append("INBOX", "()", large()).await;
    site.session_event().await;
    let _slow = slow_reader(&site).await;
    let mut fetch = site.inbox().await;
    // It has sent part of its next command already.
    fetch.send("a FETCH 1 BODY.PEEK[]\r\nb NO").await;
    drop(fetch);
    site.sessions_ended(2).await;
    let mut append = site.imap().await;
    append.send(format!("a APPEND INBOX {{{LARGE}}}\r\n")).await;
    drop(append);
    site.sessions_ended(3).await;
    let mut pop3 = site.connect(Listener::Pop3).await;
    pop3.play(&format!(
        "C: USER {TARO}\nS: +OK …\nC: PASS {}\nS: +OK …",
        site.password
    ))
    .await;
    pop3.send("RETR 1\r\n").await;
    drop(pop3);
    site.sessions_ended(4).await;
}

#[tokio::test]
async fn who_gets_no_room_in_time_is_told_so() {
    let site = small_site().await;
    site.imap().await.append("INBOX", "()", large()).await;
    let _slow = slow_reader(&site).await;
    hurry(&site);
    let mut client = site.inbox().await;
    let busy = "NO [UNAVAILABLE] Other answers take all the memory";
    // Of a hyphen the index, which may have caught up by now, says nothing: the message must be read.
    for command in ["FETCH 1 BODY.PEEK[]", "SEARCH HEADER X-Kind \"-\""] {
        let end = client.refused(command).await;
        assert!(end.starts_with(busy), "{command}: {end}");
    }
    let end = client.refused(&format!("APPEND INBOX {{{LARGE}}}")).await;
    assert!(end.starts_with("NO [UNAVAILABLE]"), "{end}");
    // The session goes on, and what needs little is answered.
    client.ok("FETCH 1 (FLAGS ENVELOPE)").await;
    let mut pop3 = site.connect(Listener::Pop3).await;
    pop3.play(&format!(
        "C: USER {TARO}\nS: +OK …\nC: PASS {}\nS: +OK …\nC: RETR 1\nS: -ERR [SYS/TEMP] …\nC: NOOP\nS: +OK…",
        site.password
    ))
    .await;
}

/// A part that is decoded takes room twice: as it is kept, and as it is told.
#[tokio::test]
async fn decoding_is_counted() {
    let site = small_site().await;
    let mut mail = b"Content-Transfer-Encoding: base64\r\n\r\n".to_vec();
    mail.resize(1600 << 10, b'A');
    site.imap().await.append("INBOX", "()", mail).await;
    let mut slow = site.inbox().await;
    slow.send("s FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1] BINARY.PEEK[1]<5.4000000000>)\r\n")
        .await;
    assert!(slow.piece().await.contains("BINARY.SIZE[1] 12287"));
    hurry(&site);
    let mut client = site.inbox().await;
    let end = client.refused("FETCH 1 BINARY.PEEK[1]").await;
    assert!(end.starts_with("NO [UNAVAILABLE]"), "{end}");
}

/// The headers of a message can be as large as a message.
#[tokio::test]
async fn large_summaries_are_counted() {
    let site = small_site().await;
    let mut client = site.imap().await;
    client.append("INBOX", "()", large()).await;
    let long = "x".repeat(60_000);
    let mail = format!("Subject: {long}\r\nDate: {long}\r\nIn-Reply-To: {long}\r\n\r\nshort\r\n");
    for _ in 0..3 {
        client.append("INBOX", "()", &mail).await;
    }
    client
        .append("INBOX", "()", "Subject: y\r\n\r\nshort\r\n")
        .await;
    client.ok("SELECT INBOX").await;
    let all = client.ok("FETCH 2:* ENVELOPE").await;
    assert_eq!(all.matches(&long).count(), 9);
    let _slow = slow_reader(&site).await;
    hurry(&site);
    let mut client = site.inbox().await;
    client.ok("FETCH 5 ENVELOPE").await;
    for command in [
        "FETCH 2:* ENVELOPE",
        "FETCH 2 (ENVELOPE BODY.PEEK[])",
        "SORT (SUBJECT) UTF-8 2:*",
        "SEARCH 2:* SUBJECT \"-\"",
    ] {
        let end = client.refused(command).await;
        assert!(end.starts_with("NO [UNAVAILABLE]"), "{command}: {end}");
    }
}

/// A result is counted as long as it is held: what is more than one identifier may have is refused, and the session goes on.
#[tokio::test]
async fn results_of_sort_and_thread_are_counted() {
    let site = Site::open_with(Settings {
        memory_budget: 64 << 10,
        stall_timeout: Duration::from_secs(5),
        ..Settings::default()
    })
    .await;
    let mut client = site.imap().await;
    let long = "x".repeat(240);
    for number in (0..150).rev() {
        let mail =
            format!("Subject: {number:03}{long}\r\nFrom: {long}@a.jp\r\nTo: {long}@b.jp\r\n\r\n");
        client.append("INBOX", "()", mail).await;
    }
    client.ok("SELECT INBOX").await;
    let answer = client.ok("SORT (SUBJECT) UTF-8 1:20").await;
    let down: Vec<String> = (1..=20_u32)
        .rev()
        .map(|number| number.to_string())
        .collect();
    assert!(
        answer.contains(&format!("* SORT {}", down.join(" "))),
        "{answer}"
    );
    // Of each message there is little that this one looks at.
    client.ok("SORT (REVERSE SIZE ARRIVAL) UTF-8 ALL").await;
    let few = client.ok("THREAD REFERENCES UTF-8 1:20").await;
    assert!(few.contains("* THREAD "), "{few}");
    for command in [
        "SORT (SUBJECT FROM TO) UTF-8 ALL",
        "UID SORT RETURN (COUNT) (SUBJECT FROM TO) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "THREAD ORDEREDSUBJECT UTF-8 ALL",
    ] {
        let end = client.refused(command).await;
        assert!(end.starts_with("NO [LIMIT]"), "{command}: {end}");
        client.ok("SORT (SUBJECT) UTF-8 1:20").await;
    }
}

/// So many messages in the inbox, without text.
async fn fill(client: &mut Client, doublings: u32) -> usize {
    client.append("INBOX", "()", "Subject: x\r\n\r\n").await;
    client.ok("SELECT INBOX").await;
    for _ in 0..doublings {
        client.ok("COPY 1:* INBOX").await;
    }
    1 << doublings
}

/// What happened to many messages is counted while it is told: it waits until there is room, and is told whole then.
#[tokio::test]
async fn news_of_many_messages_wait_for_room() {
    let site = Site::open_with(Settings {
        memory_budget: 64 << 10,
        minimum_rate: 1,
        ..Settings::default()
    })
    .await;
    let mut client = site.imap().await;
    let count = fill(&mut client, 14).await;
    set_patience(&site, Duration::from_secs(2));
    let mut watcher = site.inbox().await;
    set_patience(&site, Duration::from_mins(1));
    client.ok("STORE 1:* +FLAGS.SILENT (\\Flagged)").await;
    client.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)").await;
    client.ok("EXPUNGE").await;
    let mut quick = site.inbox().await;
    // All the room that the identifier may have for what is large.
    let mut holder = site.imap().await;
    holder.send(format!("h APPEND INBOX {{{LARGE}}}\r\n")).await;
    assert!(holder.line().await.starts_with('+'));
    let told = |answer: &str| answer.matches(" FETCH (").count();
    client.ok("STORE 1:10 +FLAGS.SILENT (\\Answered)").await;
    let little = quick.ok("NOOP").await;
    assert_eq!(told(&little), 10, "little does not wait: {little}");
    assert_eq!(watcher.ok("NOOP").await, "OK Done");
    drop(holder);
    site.sessions_ended(1).await;
    let answer = watcher.ok("NOOP").await;
    let expunged = "* 1 EXPUNGE\n* 1 EXPUNGE\n* 1 FETCH (UID 3 ";
    assert!(answer.starts_with(expunged), "{}", &answer[..200]);
    let left = count - 2;
    assert_eq!(told(&answer), left);
    let last = format!("* {left} FETCH (UID {count} FLAGS (\\Flagged))\nOK Done");
    assert!(answer.ends_with(&last), "{}", &answer[answer.len() - 200..]);
    assert_eq!(watcher.ok("NOOP").await, "OK Done");
}

/// What a search finds, and what it has still to look at, is counted before anything is made of it.
#[tokio::test]
async fn what_a_search_gathers_is_counted() {
    let site = Site::open_with(Settings {
        memory_budget: 64 << 10,
        stall_timeout: Duration::from_secs(5),
        ..Settings::default()
    })
    .await;
    let mut client = site.imap().await;
    let count = fill(&mut client, 14).await;
    client.ok("STORE 20:30 +FLAGS.SILENT (\\Flagged)").await;
    for command in [
        "SEARCH ALL",
        "SEARCH UNSEEN",
        "UID SEARCH RETURN (COUNT) UNFLAGGED",
        "SEARCH RETURN (SAVE) UNFLAGGED",
        "SEARCH SUBJECT x",
        "SEARCH SMALLER 1",
        "SORT (SIZE) UTF-8 UNFLAGGED",
        "THREAD REFERENCES UTF-8 UNFLAGGED",
    ] {
        let end = client.refused(command).await;
        assert!(end.starts_with("NO [LIMIT]"), "{command}: {end}");
    }
    let few = client.ok("SEARCH FLAGGED").await;
    assert!(few.starts_with("* SEARCH 20 21 "), "{few}");
    let last = client.ok(&format!("SEARCH {count} SUBJECT x")).await;
    assert!(last.starts_with(&format!("* SEARCH {count}\n")), "{last}");
    client.ok("SORT (SIZE) UTF-8 FLAGGED").await;
}

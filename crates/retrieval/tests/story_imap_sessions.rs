//! Several sessions on one mailbox, IDLE, CONDSTORE, QRESYNC, and sessions that end.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use retrieval::Listener;
use site::{Client, Site};

const MAIL: &str = "Subject: x\r\n\r\nbody\r\n";

/// Two clients with INBOX selected, which holds `count` messages.
async fn two(site: &Site, count: usize) -> (Client, Client) {
    let mut first = site.imap().await;
    for _ in 0..count {
        first.append("INBOX", "()", MAIL).await;
    }
    first.ok("SELECT INBOX").await;
    (first, site.inbox().await)
}

#[tokio::test]
async fn idle_pushes_arrivals_flags_and_expunges_in_order() {
    let site = Site::open().await;
    let (mut idle, mut other) = two(&site, 2).await;
    idle.play("C: i IDLE\nS: + Idling").await;
    other.append("INBOX", "(\\Flagged)", MAIL).await;
    assert_eq!(idle.line().await, "* 3 EXISTS");
    other.ok("STORE 1 +FLAGS ($Done)").await;
    assert_eq!(
        idle.line().await,
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Done)"
    );
    assert_eq!(idle.line().await, "* 1 FETCH (UID 1 FLAGS ($Done))");
    other.ok("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(idle.line().await, "* 2 FETCH (UID 2 FLAGS (\\Deleted))");
    other.ok("EXPUNGE").await;
    assert_eq!(idle.line().await, "* 2 EXPUNGE");
    idle.play("C: DONE\nS: i OK Done\nC: j IDLE\nS: + Idling\nC: what\nS: j BAD …")
        .await;
}

#[tokio::test]
async fn sequence_numbers_stay_while_numbers_are_in_use() {
    let site = Site::open().await;
    let (mut first, mut second) = two(&site, 3).await;
    second.ok("UID STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(
        second.ok("UID EXPUNGE 1:2").await,
        "* 1 EXPUNGE\nOK Expunged"
    );
    // FETCH by number may not tell of the expunge; message 3 is still the third.
    assert_eq!(
        first.ok("FETCH 3 UID").await,
        "* 3 FETCH (UID 3)\nOK Fetched"
    );
    assert!(
        first
            .refused("FETCH 1 RFC822.SIZE")
            .await
            .starts_with("NO [EXPUNGEISSUED]")
    );
    assert_eq!(first.ok("SEARCH ALL").await, "* SEARCH 2 3\nOK Searched");
    // A UID command may tell.
    assert_eq!(
        first.ok("UID FETCH 3 FLAGS").await,
        "* 3 FETCH (UID 3 FLAGS ())\n* 1 EXPUNGE\nOK Fetched"
    );
    assert_eq!(
        first.ok("FETCH 2 UID").await,
        "* 2 FETCH (UID 3)\nOK Fetched"
    );
}

#[tokio::test]
async fn conditional_store_leaves_alone_what_changed() {
    let site = Site::open().await;
    let (mut first, mut second) = two(&site, 3).await;
    let answer = first.ok("FETCH 1:3 (MODSEQ)").await;
    assert!(answer.contains("* OK [HIGHESTMODSEQ "), "{answer}");
    let highest: u64 = answer
        .rsplit_once("MODSEQ (")
        .unwrap()
        .1
        .split(')')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    second.ok("STORE 2 +FLAGS (\\Seen)").await;
    let end = first
        .ok(&format!(
            "STORE 1:3 (UNCHANGEDSINCE {highest}) +FLAGS.SILENT (\\Flagged)"
        ))
        .await;
    assert!(end.contains("OK [MODIFIED 2]"), "{end}");
    assert!(end.contains("* 1 FETCH (UID 1 MODSEQ ("), "{end}");
    assert!(
        end.contains("* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ ("),
        "{end}"
    );
    let since = first
        .ok(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {highest})"))
        .await;
    assert_eq!(since.matches(" FETCH (").count(), 3, "{since}");
    let searched = first.ok(&format!("SEARCH MODSEQ {}", highest + 2)).await;
    assert!(searched.contains("(MODSEQ "), "{searched}");
}

/// RFC 4731, section 3.2: with MIN or MAX alone, the MODSEQ is that of the messages that are told.
#[tokio::test]
async fn the_ends_of_a_search_tell_their_own_modseq() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    client.append("INBOX", "()", "\r\nfirst\r\n").await;
    client.append("INBOX", "()", "\r\nlast\r\n").await;
    client.ok("STORE 1 +FLAGS (\\Flagged)").await;
    let modseq = |answer: &str| -> u64 {
        let (_, value) = answer.rsplit_once("MODSEQ ").unwrap();
        let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    let first = modseq(&client.ok("SEARCH RETURN (MIN) MODSEQ 1").await);
    let last = modseq(&client.ok("SEARCH RETURN (MAX) MODSEQ 1").await);
    assert!(last < first, "{last} {first}");
    for returns in ["MIN MAX", "COUNT", "MAX COUNT"] {
        let answer = client
            .ok(&format!("SEARCH RETURN ({returns}) MODSEQ 1"))
            .await;
        assert_eq!(modseq(&answer), first, "{answer}");
    }
}

/// RFC 9051, section 7.3.3: FLAGS tells a keyword before a message is said to have it; once, whatever the number of messages.
#[tokio::test]
async fn new_keywords_are_told_before_the_messages_that_have_them() {
    let site = Site::open().await;
    let (mut first, mut second) = two(&site, 3).await;
    let stored = first.ok("STORE 1:3 +FLAGS (\\Seen $New)").await;
    let lines: Vec<&str> = stored.lines().collect();
    assert_eq!(lines.len(), 5, "{stored}");
    assert!(lines[0].starts_with("* FLAGS (") && lines[0].contains("$New"));
    assert_eq!(lines[3], "* 3 FETCH (UID 3 FLAGS (\\Seen $New))");
    second.ok("STORE 2 +FLAGS.SILENT ($Other)").await;
    let told = first.ok("STORE 2:3 +FLAGS.SILENT (\\Flagged)").await;
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].contains("$Other"), "{told}");
    assert_eq!(
        lines[1],
        "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen $New $Other))"
    );
    assert_eq!(lines.len(), 3, "{told}");
}

#[tokio::test]
async fn quick_resynchronisation_tells_what_vanished() {
    let site = Site::open().await;
    let (mut first, mut second) = two(&site, 5).await;
    let selected = first.ok("SELECT INBOX").await;
    let number = |name: &str| {
        let from = selected.find(&format!("[{name} ")).unwrap() + name.len() + 2;
        selected[from..].split(']').next().unwrap().to_owned()
    };
    let (validity, highest) = (number("UIDVALIDITY"), number("HIGHESTMODSEQ"));
    first.ok("CLOSE").await;
    second.ok("STORE 2,4 +FLAGS.SILENT (\\Deleted)").await;
    second.ok("EXPUNGE").await;
    second.ok("STORE 3 +FLAGS (\\Seen)").await;
    let end = first
        .refused(&format!("SELECT INBOX (QRESYNC ({validity} {highest}))"))
        .await;
    assert!(end.starts_with("BAD"), "{end}");
    assert!(
        first
            .ok("ENABLE QRESYNC")
            .await
            .contains("* ENABLED QRESYNC")
    );
    let selected = first
        .ok(&format!(
            "SELECT INBOX (QRESYNC ({validity} {highest} 1:5))"
        ))
        .await;
    assert!(
        selected.contains("\n* VANISHED (EARLIER) 2,4\n"),
        "{selected}"
    );
    assert!(
        selected.contains("* 3 FETCH (UID 5 FLAGS (\\Seen) MODSEQ ("),
        "{selected}"
    );
    let fetched = first
        .ok(&format!(
            "UID FETCH 1:5 (FLAGS) (CHANGEDSINCE {highest} VANISHED)"
        ))
        .await;
    assert!(
        fetched.starts_with("* VANISHED (EARLIER) 2,4\n"),
        "{fetched}"
    );
    second.ok("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    second.ok("EXPUNGE").await;
    let told = first.ok("NOOP").await;
    assert!(
        told.contains("* VANISHED 1") && !told.contains("EXPUNGE"),
        "{told}"
    );
}

#[tokio::test]
async fn a_deleted_mailbox_and_a_stopping_server_end_sessions() {
    let site = Site::open().await;
    let mut first = site.imap().await;
    first.ok("CREATE Old").await;
    first.ok("SELECT Old").await;
    let mut second = site.imap().await;
    second.ok("DELETE Old").await;
    first.play("C: n NOOP\nS: n OK Done").await;
    assert!(first.line().await.starts_with("* BYE "));
    assert_eq!(
        site.session_event().await.event.detail["end"],
        "mailbox-deleted"
    );
    site.shutdown.begin();
    assert!(second.line().await.starts_with("* BYE [UNAVAILABLE]"));
    assert!(second.is_closed().await);
}

#[tokio::test]
async fn too_many_sessions_of_one_identifier_are_refused() {
    let site = Site::open().await;
    let settings = retrieval::Settings {
        sessions_per_identifier: 1,
        ..(*site.settings.load_full()).clone()
    };
    site.settings.store(std::sync::Arc::new(settings));
    let mut first = site.imap().await;
    let mut second = site.connect(Listener::Imap).await;
    let command = format!("LOGIN {} {}", site::TARO, site.password);
    assert!(second.refused(&command).await.starts_with("NO [LIMIT]"));
    // Clause 4.2(1)c: the identifier proved itself, and no session came of it.
    let refused = site.events(trail::Kind::RetrievalSession).await;
    let [refused] = refused.as_slice() else {
        panic!("{refused:?}")
    };
    assert_eq!(refused.event.detail["end"], "too-many-sessions");
    assert_eq!(refused.event.outcome, trail::Outcome::Refused);
    first.ask("LOGOUT").await;
    site.sessions_ended(2).await;
    assert!(first.is_closed().await);
    second.ok(&command).await;
}

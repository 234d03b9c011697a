//! Mailboxes: their names, uses, quotas, and how LIST shows them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use site::Site;
use store::mailbox;
use trail::Kind;

#[tokio::test]
async fn names_are_made_changed_and_removed() {
    let site = Site::open().await;
    let mut client = site.imap().await;
    assert!(
        client
            .ok("CREATE \"&ZeVnLIqe-/2026\"")
            .await
            .starts_with("OK [MAILBOXID (")
    );
    assert!(
        client
            .refused("CREATE INBOX")
            .await
            .starts_with("NO [ALREADYEXISTS]")
    );
    let listed = client.ok("LIST \"\" \"&ZeVnLIqe-*\"").await;
    assert_eq!(
        listed,
        "* LIST (\\HasChildren) \"/\" \"&ZeVnLIqe-\"\n* LIST (\\HasNoChildren) \"/\" \"&ZeVnLIqe-/2026\"\nOK Listed"
    );
    client.ok("RENAME \"&ZeVnLIqe-\" Nihongo").await;
    client.ok("SELECT Nihongo/2026").await;
    assert!(
        client
            .refused("SELECT \"&ZeVnLIqe-/2026\"")
            .await
            .starts_with("NO [NONEXISTENT]")
    );
    client.ok("DELETE Nihongo/2026").await;
    assert!(
        client
            .refused("DELETE Nihongo/2026")
            .await
            .starts_with("NO [NONEXISTENT]")
    );
    assert!(
        client
            .refused("DELETE INBOX")
            .await
            .starts_with("NO [CANNOT]")
    );
    client.ok("ENABLE IMAP4rev2").await;
    client.ok("CREATE \"日本語\"").await;
    assert!(client.ok("LIST \"\" *").await.contains("\"日本語\""));
    assert_eq!(site.events(Kind::MailboxCreated).await.len(), 2);
    assert_eq!(
        site.events(Kind::MailboxRenamed).await[0].event.detail["to"],
        "Nihongo"
    );
    assert_eq!(
        site.events(Kind::MailboxDeleted).await[0].event.subject,
        "Nihongo/2026"
    );
}

#[tokio::test]
async fn list_selects_and_returns() {
    let site = Site::open().await;
    let mut client = site.imap().await;
    assert_eq!(
        client.ok("LIST \"\" \"\"").await,
        "* LIST (\\Noselect) \"/\" \"\"\nOK Done"
    );
    client.ok("CREATE Sub/One").await;
    client.ok("DELETE Archive").await;
    client.ok("CREATE Later (USE (\\Archive))").await;
    assert!(
        client
            .refused("CREATE Other (USE (\\Archive))")
            .await
            .starts_with("NO [USEATTR]")
    );
    client.ok("SUBSCRIBE Sub/One").await;
    client.ok("SUBSCRIBE Gone").await;
    let subscribed = client.ok("LIST (SUBSCRIBED) \"\" (Sub* Gone)").await;
    assert!(
        subscribed.contains("* LIST (\\HasNoChildren \\Subscribed) \"/\" \"Sub/One\""),
        "{subscribed}"
    );
    assert!(
        subscribed.contains("\\NonExistent") && subscribed.contains("\"Gone\""),
        "{subscribed}"
    );
    let recursive = client
        .ok("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"Su%\"")
        .await;
    assert!(
        recursive.contains("\"Sub\" (\"CHILDINFO\" (\"SUBSCRIBED\"))"),
        "{recursive}"
    );
    let status = client
        .ok("LIST \"\" Later RETURN (STATUS (MESSAGES UNSEEN) SPECIAL-USE)")
        .await;
    assert!(
        status.contains("\\Archive") && status.contains("* STATUS \"Later\" (MESSAGES 0 UNSEEN 0)"),
        "{status}"
    );
    let lsub = client.ok("LSUB \"\" %").await;
    assert!(
        lsub.contains("* LSUB (\\Noselect) \"/\" \"Sub\"\n"),
        "{lsub}"
    );
    client.ok("UNSUBSCRIBE Gone").await;
    assert!(!client.ok("LSUB \"\" *").await.contains("Gone"));
    assert!(
        client
            .ok("NAMESPACE")
            .await
            .starts_with("* NAMESPACE ((\"\" \"/\")) NIL NIL")
    );
    assert!(
        client
            .ok("LIST (SPECIAL-USE) \"\" *")
            .await
            .contains("Later")
    );
}

/// RFC 6154, section 2: those are views of messages that lie elsewhere, and there are none such here.
#[tokio::test]
async fn views_of_other_mailboxes_are_not_made() {
    let site = Site::open().await;
    let mut client = site.imap().await;
    for special_use in ["All", "Flagged", "Important"] {
        let create = format!("CREATE View (USE (\\{special_use}))");
        let end = client.refused(&create).await;
        assert!(end.starts_with("NO [USEATTR]"), "{create}: {end}");
    }
    assert!(!client.ok("LIST \"\" *").await.contains("View"));
}

#[tokio::test]
async fn quotas_are_told_and_kept() {
    let site = Site::open().await;
    let mut client = site.imap().await;
    let unlimited = client.ok("GETQUOTAROOT INBOX").await;
    assert!(
        unlimited.starts_with("* QUOTAROOT \"INBOX\"\n"),
        "{unlimited}"
    );
    assert!(!unlimited.contains("* QUOTA "), "{unlimited}");
    let end = client.refused("GETQUOTA \"\"").await;
    assert!(end.starts_with("NO [NONEXISTENT]"), "{end}");
    let account = site.account().await;
    site.store
        .commit::<_, store::Error>(Vec::new(), move |tx| {
            mailbox::set_quota(tx, account, Some(4096))?;
            let event = trail::Event::new(Kind::AccountChanged, trail::Actor::System);
            tx.record(&event, ())
        })
        .await
        .unwrap();
    client.append("INBOX", "()", "x".repeat(3000)).await;
    assert!(client.ok("GETQUOTA \"\"").await.contains("(STORAGE 3 4)"));
    assert!(
        client
            .ok("GETQUOTAROOT INBOX")
            .await
            .starts_with("* QUOTAROOT \"INBOX\" \"\"\n* QUOTA \"\" (STORAGE")
    );
    let long = "x".repeat(2000);
    let end = client
        .refused(&format!("APPEND INBOX {{2000+}}\r\n{long}"))
        .await;
    assert!(end.starts_with("NO [OVERQUOTA]"), "{end}");
    client.ok("SELECT INBOX").await;
    client.ok("CREATE Copy").await;
    assert!(
        client
            .refused("COPY 1 Copy")
            .await
            .starts_with("NO [OVERQUOTA]")
    );
    client.ok("MOVE 1 Copy").await;
    assert!(
        client
            .refused("SETQUOTA \"\" (STORAGE 9)")
            .await
            .starts_with("NO [NOPERM]")
    );
}

/// RFC 9208, section 5.1; RFC 8438; RFC 7889.
#[tokio::test]
async fn status_tells_sizes() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    for size in [100, 20, 3] {
        client.append("INBOX", "()", "x".repeat(size)).await;
    }
    let items = "(MESSAGES SIZE DELETED DELETED-STORAGE APPENDLIMIT)";
    let told = |deleted: u32, octets: u32| {
        format!(
            "(MESSAGES 3 SIZE 123 DELETED {deleted} DELETED-STORAGE {octets} APPENDLIMIT {})",
            50 << 20
        )
    };
    let status = client.ok(&format!("STATUS INBOX {items}")).await;
    assert!(status.contains(&told(0, 0)), "{status}");
    client.ok("STORE 1,3 +FLAGS.SILENT (\\Deleted)").await;
    for command in [
        format!("STATUS INBOX {items}"),
        format!("LIST \"\" INBOX RETURN (STATUS {items})"),
    ] {
        let status = client.ok(&command).await;
        assert!(status.contains(&told(2, 103)), "{status}");
    }
    let capabilities = client.ok("CAPABILITY").await;
    assert!(capabilities.contains(" QUOTA=RES-STORAGE "));
    assert!(!capabilities.contains("QUOTA=RES-MESSAGE"));
}

/// Programs on macOS write names decomposed (NFD); they are kept composed.
#[tokio::test]
async fn a_decomposed_name_is_found_again() {
    let site = Site::open().await;
    let mut client = site.imap().await;
    let (composed, decomposed) = ("\u{304c}", "\u{304b}\u{3099}");
    client.ok("ENABLE IMAP4rev2").await;
    let made = client.ok(&format!("CREATE \"{decomposed}/a\"")).await;
    assert!(
        made.starts_with(&format!(
            "* LIST () \"/\" \"{composed}/a\" (\"OLDNAME\" (\"{decomposed}/a\"))\n"
        )),
        "{made}"
    );
    for pattern in [
        format!("{decomposed}/a"),
        format!("{decomposed}/%"),
        format!("{composed}/*"),
    ] {
        let listed = client.ok(&format!("LIST \"\" \"{pattern}\"")).await;
        assert!(
            listed.contains(&format!("\"{composed}/a\"")),
            "{pattern}: {listed}"
        );
    }
    let listed = client.ok(&format!("LIST \"{decomposed}/\" a")).await;
    assert!(listed.contains(&format!("\"{composed}/a\"")), "{listed}");
    let selected = client.ok(&format!("SELECT \"{decomposed}/a\"")).await;
    assert!(selected.contains("OLDNAME"), "{selected}");
    let selected = client.ok(&format!("SELECT \"{composed}/a\"")).await;
    assert!(!selected.contains("OLDNAME"), "{selected}");
}

/// RFC 8474, sections 5.1 and 5.2; RFC 8514, section 4.2.
#[tokio::test]
async fn identifiers_go_with_a_message_and_its_save_date_does_not() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    client.ok("CREATE Copies").await;
    client
        .append("INBOX", "()", "Message-ID: <1@x>\r\n\r\none\r\n")
        .await;
    client
        .append(
            "INBOX",
            "()",
            "Message-ID: <2@x>\r\nReferences: <1@x>\r\n\r\ntwo\r\n",
        )
        .await;
    let field = |said: &str, name: &str| -> String {
        let from = said.find(&format!("{name} ")).unwrap() + name.len() + 1;
        let rest = &said[from..];
        let end = rest.find([')', '\n']).unwrap();
        rest[..end].trim_matches(['(', '"']).to_owned()
    };
    let facts = "(EMAILID THREADID SAVEDATE)";
    let one = client.ok(&format!("FETCH 1 {facts}")).await;
    let two = client.ok(&format!("FETCH 2 {facts}")).await;
    assert_ne!(field(&one, "EMAILID"), field(&two, "EMAILID"));
    assert_eq!(field(&one, "THREADID"), field(&two, "THREADID"));
    // Dates are told in seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    client.ok("COPY 1 Copies").await;
    client.ok("MOVE 2 Copies").await;
    client.ok("SELECT Copies").await;
    for (number, before) in [(1, &one), (2, &two)] {
        let after = client.ok(&format!("FETCH {number} {facts}")).await;
        assert_eq!(field(&after, "EMAILID"), field(before, "EMAILID"));
        assert_eq!(field(&after, "THREADID"), field(before, "THREADID"));
        let save_date = |said: &str| field(said, "SAVEDATE");
        assert_ne!(save_date(&after), save_date(before), "{after}");
    }
    let id = field(&two, "EMAILID");
    let found = client.ok(&format!("SEARCH EMAILID {id}")).await;
    assert!(found.starts_with("* SEARCH 2\n"), "{found}");
    let id = field(&two, "THREADID");
    let found = client.ok(&format!("SEARCH THREADID {id}")).await;
    assert!(found.starts_with("* SEARCH 1 2\n"), "{found}");
}

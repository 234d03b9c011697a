//! Finding, sorting and threading mail, Japanese mail above all.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod site;

use site::{Client, Site};

/// ISO-2022-JP, Shift_JIS in base64, UTF-8, and one that is about something else.
const MAILS: [&[u8]; 4] = [
    b"From: =?ISO-2022-JP?B?GyRCOzNFRBsoQg==?= <yamada@example.com>\r\n\
      To: =?UTF-8?B?5aSq6YOO?= <taro@example.jp>\r\nCc: =?Shift_JIS?B?iOSP4w==?= <inoue@example.com>\r\n\
      Subject: =?ISO-2022-JP?B?GyRCMnE1RBsoQg==?=\r\nDate: Mon, 2 Nov 2026 09:00:00 +0900\r\nMessage-ID: <1@x>\r\n\
      Content-Type: text/plain; charset=ISO-2022-JP\r\n\r\n\x1b$B2q5D\x1b(B no memo\r\n",
    b"From: b@example.com\r\nSubject: Re: Lunch\r\nDate: Tue, 3 Nov 2026 09:00:00 +0900\r\nMessage-ID: <2@x>\r\n\
      In-Reply-To: <4@x>\r\nContent-Type: text/plain; charset=Shift_JIS\r\nContent-Transfer-Encoding: base64\r\n\r\n\
      iu+LYw==\r\n",
    b"From: a@example.com\r\nCc: Zoe <zoe@example.com>\r\nSubject: Report\r\nDate: Wed, 4 Nov 2026 09:00:00 +0900\r\n\
      Message-ID: <3@x>\r\nX-Loop: here\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
      <p>\xe4\xbc\x9a<b>\xe8\xad\xb0</b> STRASSE</p>\r\n",
    b"From: c@example.com\r\nSubject: lunch\r\nDate: Sun, 1 Nov 2026 09:00:00 +0900\r\nMessage-ID: <4@x>\r\n\r\nAt noon.\r\n",
];

async fn filled(site: &Site) -> Client {
    let mut client = site.imap().await;
    for (mail, flags) in MAILS
        .iter()
        .zip(["(\\Seen)", "($Work)", "()", "(\\Answered)"])
    {
        client.append("INBOX", flags, mail).await;
    }
    client.ok("SELECT INBOX").await;
    client
}

async fn found(client: &mut Client, keys: &str) -> String {
    let said = client.ok(&format!("UID SEARCH {keys}")).await;
    let line = said
        .lines()
        .find(|line| line.starts_with("* SEARCH"))
        .unwrap();
    line.trim_start_matches("* SEARCH").trim().to_owned()
}

const KEYS: &[(&str, &str)] = &[
    ("ALL", "1 2 3 4"),
    ("SEEN", "1"),
    ("UNSEEN UNANSWERED", "2 3"),
    ("KEYWORD $work", "2"),
    ("OR SEEN ANSWERED", "1 4"),
    ("NOT 1:2", "3 4"),
    ("UID 3:*", "3 4"),
    ("SENTON 3-Nov-2026", "2"),
    ("SENTSINCE 3-Nov-2026", "2 3"),
    ("SENTBEFORE 2-Nov-2026", "4"),
    ("SUBJECT lunch", "2 4"),
    ("FROM yamada", "1"),
    ("FROM \"@EXAMPLE.com\"", "1 2 3 4"),
    ("CC ZOE", "3"),
    ("HEADER X-Loop \"\"", "3"),
    ("HEADER X-Loop HERE", "3"),
    ("HEADER Message-ID 2@x", "2"),
    ("HEADER In-Reply-To <4@X>", "2"),
    ("HEADER In-Reply-To \"\"", "2"),
    ("HEADER Subject report", "3"),
    ("HEADER Cc \"zoe <zoe\"", "3"),
    ("BODY noon", "4"),
    ("TEXT noon NOT SUBJECT lunch", ""),
    ("BODY \"no memo\"", "1"),
    ("TEXT \"\"", "1 2 3 4"),
    ("YOUNGER 3600", "1 2 3 4"),
    ("OLDER 3600", ""),
    ("SINCE 1-Jan-2000 BEFORE 1-Jan-2001", ""),
    ("SAVEDSINCE 1-Jan-2000", "1 2 3 4"),
];

#[tokio::test]
async fn every_kind_of_key() {
    let site = Site::open().await;
    let mut client = filled(&site).await;
    for (keys, uids) in KEYS {
        assert_eq!(found(&mut client, keys).await, *uids, "{keys}");
    }
    let size = MAILS[3].len();
    assert_eq!(
        found(&mut client, &format!("SMALLER {}", size + 1)).await,
        "4"
    );
    assert_eq!(found(&mut client, &format!("LARGER {size}")).await, "1 2 3");
}

#[tokio::test]
async fn japanese_is_found_with_and_without_the_index() {
    let site = Site::open().await;
    let mut client = filled(&site).await;
    for indexed in [false, true] {
        if indexed {
            site.index.catch_up(site.account().await).await.unwrap();
        }
        for (keys, uids) in [
            ("CHARSET UTF-8 TEXT {6+}\r\n会議", "1 3"),
            ("CHARSET UTF-8 BODY {6+}\r\n会議", "1 3"),
            ("CHARSET UTF-8 SUBJECT {6+}\r\n会議", "1"),
            ("CHARSET UTF-8 FROM {6+}\r\n山田", "1"),
            ("CHARSET UTF-8 FROM {6+}\r\n太郎", ""),
            ("CHARSET UTF-8 TO {6+}\r\n太郎", "1"),
            ("CHARSET UTF-8 CC {6+}\r\n井上", "1"),
            ("CHARSET ISO-2022-JP FROM {10+}\r\n\x1b$B;3ED\x1b(B", "1"),
            ("CHARSET UTF-8 BODY {7+}\r\nstraße", "3"),
            ("BODY NOON", "4"),
            ("BODY absent", ""),
        ] {
            assert_eq!(
                found(&mut client, keys).await,
                uids,
                "{keys} indexed: {indexed}"
            );
        }
    }
    let end = client.refused("SEARCH CHARSET KLINGON TEXT x").await;
    assert!(end.starts_with("NO [BADCHARSET"), "{end}");
}

/// Mailers fold with tabs, and people search words.
#[tokio::test]
async fn words_are_found_whatever_white_space_is_between_them() {
    let site = Site::open().await;
    let mut client = site.inbox().await;
    let mail = "Subject: about\r\n\tthe hall\r\nX-Long: aaa bbb\r\n\tccc\r\n\r\nfirst  line\r\nsecond\tline\r\n";
    client.append("INBOX", "()", mail).await;
    client
        .append(
            "INBOX",
            "()",
            "Subject: aboutthe\r\nX-Long: bbbccc\r\n\r\nlinesecond\r\n",
        )
        .await;
    for indexed in [false, true] {
        if indexed {
            site.index.catch_up(site.account().await).await.unwrap();
        }
        for keys in [
            "SUBJECT \"about the\"",
            "SUBJECT \"about\tthe\"",
            "HEADER X-Long \"bbb ccc\"",
            "TEXT \"bbb   ccc\"",
            "BODY \"first line second line\"",
        ] {
            assert_eq!(
                found(&mut client, keys).await,
                "1",
                "{keys} indexed: {indexed}"
            );
        }
        assert_eq!(found(&mut client, "TEXT \"bbb cccc\"").await, "");
    }
}

#[tokio::test]
async fn extended_results_and_the_saved_one() {
    let site = Site::open().await;
    let mut client = filled(&site).await;
    let said = client.ok("SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN").await;
    assert!(said.contains(" MIN 2 MAX 4 COUNT 3 ALL 2:4"), "{said}");
    assert_eq!(
        client.ok("SEARCH RETURN (SAVE) SUBJECT lunch").await,
        "OK Searched"
    );
    assert_eq!(
        client.ok("FETCH $ UID").await,
        "* 2 FETCH (UID 2)\n* 4 FETCH (UID 4)\nOK Fetched"
    );
    assert!(
        client
            .ok("UID SEARCH RETURN (ALL) NOT $")
            .await
            .contains("UID ALL 1,3")
    );
    client.ok("ENABLE IMAP4rev2").await;
    let said = client.ok("SEARCH ALL").await;
    assert!(
        said.starts_with("* ESEARCH (TAG \"") && said.contains(") ALL 1:4"),
        "{said}"
    );
    assert!(client.refused("SEARCH 9").await.starts_with("BAD"));
}

/// RFC 5182, section 2.1: a failure that is answered with NO empties `$`, BAD does not.
#[tokio::test]
async fn a_failed_search_leaves_nothing_saved() {
    let site = Site::open().await;
    let mut client = filled(&site).await;
    let save = "SEARCH RETURN (SAVE) SUBJECT lunch";
    let saved = async |client: &mut Client| client.ok("FETCH $ UID").await.lines().count() - 1;
    client.ok(save).await;
    assert!(
        client
            .refused("SEARCH RETURN (SAVE) 9")
            .await
            .starts_with("BAD")
    );
    assert!(
        client
            .refused("SORT RETURN (SAVE) () UTF-8 ALL")
            .await
            .starts_with("BAD")
    );
    assert!(
        client
            .refused("SEARCH CHARSET KLINGON ALL")
            .await
            .starts_with("NO")
    );
    assert_eq!(saved(&mut client).await, 2);
    for refused in [
        "SEARCH RETURN (SAVE) CHARSET KLINGON ALL",
        "SORT RETURN (SAVE) (DATE) KLINGON ALL",
    ] {
        client.ok(save).await;
        let end = client.refused(refused).await;
        assert!(end.starts_with("NO [BADCHARSET"), "{end}");
        assert_eq!(saved(&mut client).await, 0, "{refused}");
    }
}

/// RFC 5267, section 3; RFC 5182; RFC 7162, section 7.
#[tokio::test]
async fn a_sort_is_saved_and_tells_its_modseq() {
    let site = Site::open().await;
    let mut client = filled(&site).await;
    assert_eq!(
        client.ok("SORT RETURN (SAVE) (DATE) UTF-8 SEEN").await,
        "OK Sorted"
    );
    assert_eq!(
        client.ok("FETCH $ UID").await,
        "* 1 FETCH (UID 1)\nOK Fetched"
    );
    // The order is 4 1 2 3.
    for (ends, uids) in [
        ("MIN", "4"),
        ("MAX", "3"),
        ("MIN MAX", "3:4"),
        ("MIN COUNT", "1:4"),
    ] {
        client
            .ok(&format!("SORT RETURN (SAVE {ends}) (DATE) UTF-8 ALL"))
            .await;
        let said = client.ok("UID SEARCH RETURN (ALL) $").await;
        assert!(said.contains(&format!(" ALL {uids}\n")), "{ends}: {said}");
    }
    client.ok("STORE 2 +FLAGS (\\Flagged)").await;
    let said = client.ok("SORT (DATE) UTF-8 MODSEQ 1").await;
    let order = said
        .lines()
        .find(|line| line.starts_with("* SORT "))
        .unwrap();
    let (order, modseq) = order.split_once(" (MODSEQ ").unwrap();
    assert_eq!(order, "* SORT 4 1 2 3");
    let highest: u64 = modseq.trim_end_matches(')').parse().unwrap();
    let flagged = client.ok("FETCH 2 MODSEQ").await;
    assert!(
        flagged.contains(&format!("MODSEQ ({highest})")),
        "{flagged}"
    );
    // The last by date is not the one that changed last.
    let said = client.ok("SORT RETURN (MAX) (DATE) UTF-8 MODSEQ 1").await;
    assert!(said.contains(" MAX 3 MODSEQ "), "{said}");
    assert!(!said.contains(&format!("MODSEQ {highest}")), "{said}");
}

#[tokio::test]
async fn sorting_and_threading() {
    let site = Site::open().await;
    let mut client = filled(&site).await;
    for (criteria, order) in [
        ("(DATE)", "4 1 2 3"),
        ("(REVERSE DATE)", "3 2 1 4"),
        ("(ARRIVAL)", "1 2 3 4"),
        ("(FROM)", "3 2 4 1"),
        ("(SUBJECT DATE)", "4 2 3 1"),
        ("(SUBJECT REVERSE DATE)", "2 4 3 1"),
    ] {
        let said = client.ok(&format!("UID SORT {criteria} UTF-8 ALL")).await;
        assert_eq!(
            said.lines().next().unwrap(),
            format!("* SORT {order}"),
            "{criteria}"
        );
    }
    let said = client
        .ok("SORT RETURN (MIN COUNT ALL) (REVERSE DATE) UTF-8 ALL")
        .await;
    assert!(said.contains(" MIN 3 COUNT 4 ALL 3,2,1,4"), "{said}");
    for (algorithm, threads) in [
        ("REFERENCES", "(4 2)(1)(3)"),
        ("ORDEREDSUBJECT", "(4 2)(1)(3)"),
    ] {
        let said = client
            .ok(&format!("UID THREAD {algorithm} UTF-8 ALL"))
            .await;
        assert_eq!(
            said.lines().next().unwrap(),
            format!("* THREAD {threads}"),
            "{algorithm}"
        );
    }
}

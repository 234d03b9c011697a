#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::imap::flag::{Flag, Keyword, SystemFlags};
use crate::imap::response::ResponseCode;
use crate::imap::section::{self, Partial, SectionText};

fn limits() -> Limits {
    Limits {
        depth: 10,
        search_keys: 50,
        set_items: 20,
        list_items: 20,
        list_patterns: 10,
        ..Limits::default()
    }
}

fn try_parse(line: &str) -> Result<Command, ParseError> {
    let frame = Bytes::copy_from_slice(format!("t {line}").as_bytes());
    parse(&frame, &limits(), false)
        .map(|tagged| tagged.command)
        .map_err(|(tag, error)| {
            assert_eq!(tag, Tag::new("t"), "{line}");
            error
        })
}

fn command(line: &str) -> Command {
    try_parse(line).unwrap_or_else(|error| panic!("{line}: {error:?}"))
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

fn set(text: &str) -> SequenceSet {
    SequenceSet::parse(text.as_bytes(), 100).unwrap()
}

fn numbers(text: &str) -> MessageSet {
    MessageSet::Numbers(set(text))
}

fn seen() -> SearchKey {
    SearchKey::Flag(Flag::System(SystemFlags::SEEN))
}

fn key(line: &str) -> SearchKey {
    match command(&format!("SEARCH {line}")) {
        Command::Search(search) => search.key,
        other => panic!("{other:?}"),
    }
}

fn items(line: &str) -> Vec<FetchItem> {
    match command(&format!("FETCH 1 {line}")) {
        Command::Fetch(fetch) => fetch.items,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_command_is_known_by_its_name() {
    for line in [
        "CAPABILITY",
        "NOOP",
        "LOGOUT",
        "STARTTLS",
        "AUTHENTICATE PLAIN",
        "LOGIN a b",
        "ENABLE CONDSTORE",
        "ID NIL",
        "SELECT a",
        "EXAMINE a",
        "CREATE a",
        "DELETE a",
        "RENAME a b",
        "SUBSCRIBE a",
        "UNSUBSCRIBE a",
        "LIST \"\" *",
        "LSUB \"\" *",
        "NAMESPACE",
        "STATUS a (MESSAGES)",
        "APPEND a {1}\r\nx",
        "IDLE",
        "CHECK",
        "CLOSE",
        "UNSELECT",
        "EXPUNGE",
        "UID EXPUNGE 1",
        "SEARCH ALL",
        "UID SEARCH ALL",
        "SORT (DATE) UTF-8 ALL",
        "UID SORT (DATE) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "UID THREAD ORDEREDSUBJECT UTF-8 ALL",
        "FETCH 1 UID",
        "UID FETCH 1 UID",
        "STORE 1 FLAGS ()",
        "UID STORE 1 FLAGS ()",
        "COPY 1 a",
        "UID COPY 1 a",
        "MOVE 1 a",
        "UID MOVE 1 a",
        "GETQUOTA \"\"",
        "GETQUOTAROOT a",
        "SETQUOTA \"\" (STORAGE 5)",
    ] {
        assert!(line.starts_with(command(line).name()), "{line}");
        let lower = line
            .split_inclusive(' ')
            .next()
            .unwrap()
            .to_ascii_lowercase()
            + line.split_once(' ').map_or("", |(_, rest)| rest);
        assert_eq!(command(&lower), command(line));
        assert!(
            try_parse(&format!("{line} (")).is_err(),
            "{line} with more behind it"
        );
    }
}

#[test]
fn who_the_client_is() {
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    assert_eq!(
        command("LOGIN \"a\\\"b\" {3}\r\np w"),
        Command::Login {
            user: "a\"b".into(),
            password: secret("p w")
        }
    );
    assert_eq!(
        command("AUTHENTICATE scram-sha-256 ="),
        Command::Authenticate {
            mechanism: "SCRAM-SHA-256".into(),
            initial: Some(secret(""))
        }
    );
    assert_eq!(
        command("AUTHENTICATE PLAIN AGEAYg=="),
        Command::Authenticate {
            mechanism: "PLAIN".into(),
            initial: Some(secret("\0a\0b"))
        }
    );
    assert_eq!(
        command("ID (\"name\" \"x\" \"os\" NIL)"),
        Command::Id(Some(vec![
            ("name".into(), Some("x".into())),
            ("os".into(), None)
        ]))
    );
    assert_eq!(
        command("ENABLE imap4rev2 QRESYNC"),
        Command::Enable(vec!["IMAP4REV2".into(), "QRESYNC".into()])
    );
    for bad in [
        "LOGIN a",
        "LOGIN  a b",
        "AUTHENTICATE PLAIN !!!",
        "AUTHENTICATE PLAIN ",
        "ENABLE",
        "ID (\"a\")",
        "LOGIN a \"b\u{0}\"",
    ] {
        assert!(try_parse(bad).is_err(), "{bad}");
    }
    assert!(!format!("{:?}", command("LOGIN a geheim")).contains("geheim"));
}

#[test]
fn select_with_what_the_client_knows() {
    let Command::Select(select) = command("SELECT inbox (QRESYNC (7 9 1:5,8 (1,3 2,6)) CONDSTORE)")
    else {
        panic!()
    };
    assert_eq!(select.mailbox, name("INBOX"));
    assert!(select.condstore && !select.read_only);
    assert_eq!(
        select.qresync,
        Some(QResync {
            uid_validity: 7,
            mod_seq: 9,
            known_uids: Some(set("1:5,8")),
            matches: Some((set("1,3"), set("2,6")))
        })
    );
    for good in [
        "SELECT a (QRESYNC (7 9))",
        "SELECT a (QRESYNC (7 9 (1 2)))",
        "EXAMINE a (CONDSTORE)",
    ] {
        command(good);
    }
    for bad in [
        "SELECT",
        "SELECT a ()",
        "SELECT a (X)",
        "SELECT a (QRESYNC (0 9))",
        "SELECT a (QRESYNC (7 0))",
        "SELECT a (QRESYNC (7))",
    ] {
        assert!(try_parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn mailboxes() {
    assert_eq!(
        command("CREATE &ZeVnLIqe-/ (USE (\\Sent \\trash))"),
        Command::Create {
            mailbox: name("日本語"),
            level: true,
            special_use: vec![SpecialUse::Sent, SpecialUse::Trash]
        }
    );
    assert_eq!(
        try_parse("CREATE a (USE (\\Odd))").unwrap_err().code,
        Some(ResponseCode::UseAttr)
    );
    assert_eq!(
        try_parse("CREATE a&b").unwrap_err().code,
        Some(ResponseCode::Cannot)
    );
    assert_eq!(
        command("RENAME \"a b\" 日本"),
        Command::Rename {
            from: name("a b"),
            to: name("日本")
        }
    );
    assert_eq!(command("DELETE {3}\r\nA&-"), Command::Delete(name("A&")));
    let long = "x".repeat(limits().mailbox_name + 1);
    assert_eq!(
        try_parse(&format!("DELETE {long}")).unwrap_err().code,
        Some(ResponseCode::Limit)
    );
}

#[test]
fn lists() {
    let Command::List(plain) = command("LIST \"a/\" %") else {
        panic!()
    };
    assert_eq!((plain.reference.as_str(), plain.extended), ("a/", false));
    assert_eq!(plain.patterns, [ListPattern::new("%")]);
    let extended = "LIST (SUBSCRIBED RECURSIVEMATCH REMOTE SPECIAL-USE) \"\" (INBOX \"a*\") \
                    RETURN (CHILDREN SUBSCRIBED SPECIAL-USE STATUS (MESSAGES SIZE MESSAGES))";
    let Command::List(list) = command(extended) else {
        panic!()
    };
    assert_eq!(
        list.selection,
        ListSelection {
            subscribed: true,
            remote: true,
            recursive_match: true,
            special_use: true
        }
    );
    assert_eq!(list.patterns.len(), 2);
    assert_eq!(
        list.returns.status,
        Some(vec![StatusItem::Messages, StatusItem::Size])
    );
    assert!(
        list.returns.children
            && list.returns.subscribed
            && list.returns.special_use
            && list.extended
    );
    for good in [
        "LIST \"\" \"\"",
        "LIST () \"\" *",
        "LIST \"\" * RETURN ()",
        "LIST \"\" {2}\r\n*a",
    ] {
        command(good);
    }
    for bad in [
        "LIST \"\"",
        "LIST (RECURSIVEMATCH) \"\" *",
        "LIST (X) \"\" *",
        "LIST \"\" * RETURN (X)",
        "LIST \"\" ()",
        "LIST \"\" * X",
    ] {
        assert!(try_parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn append_takes_flags_dates_and_several_messages() {
    let line =
        "APPEND a (\\Seen $x) \"17-Jul-1996 02:44:25 -0700\" {3}\r\nx\r\n ~{2+}\r\n\0y () {0}\r\n";
    let Command::Append(append) = command(line) else {
        panic!()
    };
    let [first, second, third] = append.messages.as_slice() else {
        panic!()
    };
    assert!(first.flags.contains(&Flag::System(SystemFlags::SEEN)));
    assert!(
        first
            .flags
            .contains(&Flag::Keyword(Keyword::new("$X").unwrap()))
    );
    assert_eq!(first.date.unwrap().at.to_string(), "1996-07-17T09:44:25Z");
    assert_eq!((second.body.as_ref(), second.binary), (&b"\0y"[..], true));
    assert!(third.body.is_empty() && third.date.is_none());
    for bad in [
        "APPEND a",
        "APPEND a \"x\"",
        "APPEND a (\\Recent) {1}\r\nx",
        "APPEND a {1}\r\n\0",
        "APPEND a {5}\r\nx",
        "APPEND a (\\Odd) {1}\r\nx",
    ] {
        assert!(try_parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn fetch_items() {
    use FetchItem::*;
    assert_eq!(items("ALL"), [Flags, InternalDate, Size, Envelope]);
    assert_eq!(items("FAST"), [Flags, InternalDate, Size]);
    assert_eq!(items("full").last(), Some(&Body));
    assert_eq!(
        items(
            "(UID RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE BODY BODYSTRUCTURE MODSEQ EMAILID THREADID SAVEDATE UID)"
        ),
        [
            Uid,
            Rfc822,
            Rfc822Header,
            Rfc822Text,
            Size,
            Body,
            BodyStructure,
            ModSeq,
            EmailId,
            ThreadId,
            SaveDate
        ]
    );
    assert_eq!(
        items("BODY[]"),
        [Section {
            section: section::Section::default(),
            partial: None,
            peek: false
        }]
    );
    assert_eq!(
        items("BODY.PEEK[1.2.HEADER.FIELDS (From \"To\")]<0.100>"),
        [Section {
            section: section::Section {
                path: vec![1, 2],
                text: SectionText::HeaderFields(vec!["From".into(), "To".into()])
            },
            partial: Some(Partial {
                offset: 0,
                length: 100
            }),
            peek: true,
        }]
    );
    assert_eq!(
        items("(BINARY.PEEK[3]<5.6> BINARY[] BINARY.SIZE[1.2])"),
        [
            Binary {
                path: vec![3],
                partial: Some(Partial {
                    offset: 5,
                    length: 6
                }),
                peek: true
            },
            Binary {
                path: vec![],
                partial: None,
                peek: false
            },
            BinarySize { path: vec![1, 2] },
        ]
    );
    for (section, path, text) in [
        ("1", &[1][..], SectionText::Full),
        ("4.MIME", &[4], SectionText::Mime),
        ("TEXT", &[], SectionText::Text),
        ("2.HEADER", &[2], SectionText::Header),
    ] {
        let expected = section::Section {
            path: path.to_vec(),
            text,
        };
        assert_eq!(
            items(&format!("BODY[{section}]")),
            [Section {
                section: expected.clone(),
                partial: None,
                peek: false
            }]
        );
        assert_eq!(expected.to_string(), section);
    }
    for bad in [
        "()",
        "X",
        "BODY[",
        "BODY[MIME]",
        "BODY[0]",
        "BODY[1.]",
        "BODY[.1]",
        "BODY[1.X]",
        "BODY[]<0>",
        "BODY[]<0.0>",
        "BODY[]<-1.5>",
        "BINARY[TEXT]",
        "BINARY[1.]",
        "BODY[HEADER.FIELDS ()]",
        "BODY[HEADER.FIELDS (\"a:b\")]",
        "BODY.PEEK",
        "BINARY",
        "(UID",
        "UID UID",
    ] {
        assert!(try_parse(&format!("FETCH 1 {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn fetch_and_store_modifiers() {
    let Command::Fetch(fetch) = command("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5 VANISHED)") else {
        panic!()
    };
    assert_eq!(
        (fetch.changed_since, fetch.vanished, fetch.uid),
        (Some(5), true, true)
    );
    assert!(try_parse("FETCH 1 FLAGS (CHANGEDSINCE 5 VANISHED)").is_err());
    assert!(try_parse("UID FETCH 1 FLAGS (VANISHED)").is_err());
    let Command::Store(store) = command("STORE $ (UNCHANGEDSINCE 7) -FLAGS.SILENT \\Seen foo")
    else {
        panic!()
    };
    assert_eq!(store.messages, MessageSet::Saved);
    assert_eq!(
        (store.unchanged_since, store.action, store.silent),
        (Some(7), StoreAction::Remove, true)
    );
    assert_eq!(store.flags.names().collect::<Vec<_>>(), ["\\Seen", "foo"]);
    for bad in [
        "STORE 1 FLAGS",
        "STORE 1 *FLAGS ()",
        "STORE 1 FLAGS (\\Recent)",
        "STORE 1 FLAGS (\\*)",
        "STORE 0 FLAGS ()",
    ] {
        assert!(try_parse(bad).is_err(), "{bad}");
    }
    assert_eq!(
        command("UID MOVE 1:3 b"),
        Command::Move {
            uid: true,
            messages: numbers("1:3"),
            mailbox: name("b")
        }
    );
}

#[test]
fn search_trees() {
    use SearchKey::*;
    let not = |key| Not(Box::new(key));
    assert_eq!(
        key("1:3 UNSEEN"),
        And(vec![Numbers(set("1:3")), not(seen())])
    );
    assert_eq!(
        key("OR (SEEN FROM a) NOT UID 5"),
        Or(
            Box::new(And(vec![seen(), From("a".into())])),
            Box::new(not(Uids(set("5"))))
        )
    );
    assert_eq!(key("CHARSET utf-8 TEXT {6}\r\n会議"), Text("会議".into()));
    assert_eq!(key("SUBJECT 会議"), Subject("会議".into()));
    assert_eq!(
        key("HEADER List-Id \"\""),
        Header("List-Id".into(), String::new())
    );
    assert_eq!(
        key("SINCE 1-Feb-1994"),
        Since(jiff::civil::date(1994, 2, 1))
    );
    assert_eq!(
        key("SENTON \"1-Feb-1994\""),
        SentOn(jiff::civil::date(1994, 2, 1))
    );
    assert_eq!(key("MODSEQ \"/flags/\\\\seen\" all 5"), ModSeq(5));
    assert!(key("OR ALL (NOT MODSEQ 5)").asks_mod_seq());
    assert_eq!(key("$"), Saved);
    assert_eq!(key("UID $"), Saved);
    assert_eq!(
        key("OLDER 10 YOUNGER 20 LARGER 0"),
        And(vec![Older(10), Younger(20), Larger(0)])
    );
    assert_eq!(
        key("EMAILID M1 THREADID t_2"),
        And(vec![EmailId("M1".into()), ThreadId("t_2".into())])
    );
    assert_eq!(
        key("SAVEDATESUPPORTED SAVEDSINCE 1-Feb-1994"),
        And(vec![
            SaveDateSupported,
            SavedSince(jiff::civil::date(1994, 2, 1))
        ])
    );
    assert_eq!(
        key("UNKEYWORD $a"),
        not(Flag(self::Flag::Keyword(Keyword::new("$a").unwrap())))
    );
    for bad in [
        "",
        "()",
        "X",
        "NOT",
        "OR SEEN",
        "(SEEN",
        "SEEN)",
        "SINCE 1994",
        "LARGER -1",
        "YOUNGER 0",
        "EMAILID a.b",
        "FROM",
        "OR SEEN SEEN  SEEN",
    ] {
        assert!(try_parse(&format!("SEARCH {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn search_options_sort_and_thread() {
    let Command::Search(search) =
        command("UID SEARCH RETURN (MIN MAX COUNT SAVE) CHARSET US-ASCII ALL")
    else {
        panic!()
    };
    assert_eq!(
        search.returns,
        Some(SearchReturn {
            min: true,
            max: true,
            all: false,
            count: true,
            save: true
        })
    );
    let Command::Search(search) = command("SEARCH RETURN () ALL") else {
        panic!()
    };
    assert!(search.returns.unwrap().all);
    let Command::Sort(sort) = command("SORT (REVERSE DATE subject) UTF-8 UNSEEN") else {
        panic!()
    };
    assert_eq!(
        sort.criteria,
        [
            SortCriterion {
                reverse: true,
                key: SortKey::Date
            },
            SortCriterion {
                reverse: false,
                key: SortKey::Subject
            }
        ]
    );
    for line in [
        "SEARCH CHARSET KLINGON TEXT x",
        "SORT (DATE) \"\" TEXT x",
        "THREAD REFERENCES x-none ALL",
    ] {
        let refused = try_parse(line).unwrap_err();
        assert!(refused.no && refused.code == Some(ResponseCode::BadCharset));
    }
    assert!(try_parse("THREAD ODD UTF-8 ALL").is_err());
    assert!(try_parse("SORT () UTF-8 ALL").is_err());
}

#[test]
fn strings_of_a_search_are_read_in_its_charset() {
    let meeting = SearchKey::Subject("会議".into());
    for (charset, octets) in [
        ("UTF-8", "会議".as_bytes()),
        ("ISO-2022-JP", b"\x1b$B2q5D\x1b(B"),
        ("Shift_JIS", b"\x89\xef\x8bc"),
        ("\"euc-jp\"", b"\xb2\xf1\xb5\xc4"),
    ] {
        let string =
            |octets: &[u8]| [format!("{{{}}}\r\n", octets.len()).as_bytes(), octets].concat();
        for before in [
            format!("t SEARCH CHARSET {charset} SUBJECT "),
            format!("t UID SORT (DATE) {charset} SUBJECT "),
            format!("t THREAD REFERENCES {charset} SUBJECT "),
        ] {
            for string in [string(octets), [b"\"", octets, b"\""].concat()] {
                let frame = Bytes::from([before.as_bytes(), &string].concat());
                let key = match parse(&frame, &limits(), false).unwrap().command {
                    Command::Search(search) => search.key,
                    Command::Sort(sort) => sort.key,
                    Command::Thread(thread) => thread.key,
                    other => panic!("{other:?}"),
                };
                assert_eq!(key, meeting, "{before}");
            }
        }
    }
    let frame =
        Bytes::from_static(b"t SEARCH CHARSET ISO-8859-1 HEADER X-A caf\xe9 NOT FROM \"\xe9\"");
    let Command::Search(search) = parse(&frame, &limits(), false).unwrap().command else {
        panic!()
    };
    assert_eq!(
        search.key,
        SearchKey::And(vec![
            SearchKey::Header("X-A".into(), "café".into()),
            SearchKey::Not(Box::new(SearchKey::From("é".into()))),
        ])
    );
    // What is neither UTF-8 nor labelled is not guessed at.
    let frame = Bytes::from_static(b"t SEARCH CHARSET UTF-8 SUBJECT {1}\r\n\xe9");
    assert!(parse(&frame, &limits(), false).is_err());
}

#[test]
fn bombs_hit_limits() {
    let limited = |line: &str| {
        assert_eq!(
            try_parse(line).unwrap_err().code,
            Some(ResponseCode::Limit),
            "{}",
            &line[..20]
        );
    };
    limited(&format!(
        "SEARCH {}SEEN{}",
        "(".repeat(5_000),
        ")".repeat(5_000)
    ));
    limited(&format!("SEARCH {}SEEN", "NOT ".repeat(5_000)));
    limited(&format!("SEARCH {}SEEN", "OR SEEN ".repeat(5_000)));
    limited(&format!("SEARCH{}", " SEEN".repeat(51)));
    limited(&format!("FETCH {}1 UID", "1,".repeat(20)));
    limited(&format!(
        "FETCH 1 BODY[HEADER.FIELDS ({}a)]",
        "a ".repeat(20)
    ));
    limited(&format!("STORE 1 FLAGS ({}a)", "a ".repeat(20)));
    limited(&format!("STORE 1 FLAGS{}", " a".repeat(21)));
    limited(&format!("FETCH 1 BODY[{}1]", "1.".repeat(200)));
    limited(&format!("LIST \"\" ({}a)", "a ".repeat(10)));
    limited(&format!("ENABLE{}", " a".repeat(21)));
    key(&format!("{}SEEN{}", "(".repeat(9), ")".repeat(9)));
}

#[test]
fn utf8_names_after_enable() {
    let frame = Bytes::from_static("t SELECT \"a&b/é\"".as_bytes());
    let tagged = parse(&frame, &limits(), true).unwrap();
    assert!(
        matches!(tagged.command, Command::Select(select) if select.mailbox.as_str() == "a&b/é")
    );
}

proptest! {
    #[test]
    fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
        drop(parse(&octets.into(), &limits(), true));
    }

    #[test]
    fn near_commands_are_safe(
        verb in "(SEARCH|UID SEARCH|FETCH 1|STORE 1|LIST|APPEND a|SELECT|SORT|STATUS a|ID|CREATE|SEARCH RETURN) ",
        rest in "(\\(|\\)| |BODY\\[|\\]|<|>|\\{3\\}\r\n|~|\"|\\\\|NOT |OR |SEEN|1:\\*|,|QRESYNC|USE|[a-zA-Z0-9.&%*$+-]){0,30}",
    ) {
        drop(parse(&Bytes::from(format!("t {verb}{rest}")), &limits(), false));
    }
}

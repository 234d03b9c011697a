//! IMAP sessions: the decoder, every command, and answers to what was understood.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::imap::{
    AwaitedLine, Command, Decoder, Encoder, Event, Limits, MailboxName, MessageSet, SearchKey,
    SequenceSet, Status, Tagged,
};

fuzz_target!(|octets: &[u8]| {
    for limits in [Limits::default(), narrow()] {
        let whole = session(&limits, std::iter::once(octets));
        assert_eq!(whole, session(&limits, fuzz::pieces(octets)), "cuts matter");
        assert_eq!(whole, session(&limits, octets.chunks(1)), "cuts matter");
        answer(&whole);
    }
});

/// Bounds that a short input can reach. A line is still longer than a tag, so that each error has its tag.
fn narrow() -> Limits {
    Limits {
        line: 300,
        literals: 60,
        literal_count: 3,
        append_message: 100,
        append_total: 150,
        append_count: 2,
        depth: 4,
        search_keys: 6,
        set_items: 4,
        list_items: 4,
        list_patterns: 2,
        mailbox_name: 20,
        keyword: 8,
        authenticate_line: 40,
    }
}

/// All events of a session whose driver goes by what it was told only.
fn session<'a>(limits: &Limits, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut decoder = Decoder::new(limits.clone());
    let mut events = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        while let Some(event) = decoder.next_event() {
            react(&mut decoder, &event);
            events.push(event);
        }
        let most = limits.append_total.max(limits.literals);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let most = most.saturating_add(limits.line.max(limits.authenticate_line));
        assert!(decoder.buffered() <= most.saturating_add(64));
    }
    events
}

fn react(decoder: &mut Decoder, event: &Event) {
    match event {
        Event::NeedContinuation(literal) if literal.size % 7 == 6 => decoder.refuse_literal(),
        Event::Line(line) if line.is_empty() => decoder.await_line(AwaitedLine::Authenticate),
        Event::Command(tagged) => match &tagged.command {
            Command::Authenticate { .. } => decoder.await_line(AwaitedLine::Authenticate),
            Command::Idle => decoder.await_line(AwaitedLine::Idle),
            Command::Login { .. } => decoder.set_authenticated(),
            Command::Enable(_) => decoder.set_utf8(true),
            _ => {}
        },
        Event::NeedContinuation(_) | Event::Line(_) | Event::Error(_) => {}
    }
}

fn answer(events: &[Event]) {
    let mut encoder = Encoder::new();
    for event in events {
        match event {
            Event::Command(Tagged { tag, command }) => {
                check(command);
                encoder.tagged(tag, Status::Ok, None, command.name());
            }
            Event::Error(error) => encoder.command_error(error),
            Event::NeedContinuation(_) | Event::Line(_) => encoder.continuation(""),
        }
    }
    assert!(fuzz::are_clean_lines(&encoder.take()));
}

fn check(command: &Command) {
    match command {
        Command::Select(select) => check_name(&select.mailbox),
        Command::Create { mailbox, .. }
        | Command::Delete(mailbox)
        | Command::Subscribe(mailbox)
        | Command::Status { mailbox, .. } => check_name(mailbox),
        Command::Rename { from, to } => {
            check_name(from);
            check_name(to);
        }
        Command::Copy {
            messages, mailbox, ..
        } => {
            check_name(mailbox);
            if let MessageSet::Numbers(set) = messages {
                check_set(set);
            }
        }
        Command::Search(search) => check_key(&search.key),
        Command::Sort(sort) => {
            assert!(!sort.criteria.is_empty());
            check_key(&sort.key);
        }
        Command::Thread(thread) => check_key(&thread.key),
        _ => {}
    }
}

fn check_key(key: &SearchKey) {
    match key {
        SearchKey::And(keys) => keys.iter().for_each(check_key),
        SearchKey::Or(one, other) => {
            check_key(one);
            check_key(other);
        }
        SearchKey::Not(key) => check_key(key),
        SearchKey::Numbers(set) | SearchKey::Uids(set) => check_set(set),
        _ => {}
    }
}

fn check_name(name: &MailboxName) {
    for utf8 in [false, true] {
        let wire = name.to_wire(utf8);
        assert_eq!(
            MailboxName::from_wire(wire.as_bytes(), utf8).as_ref(),
            Some(name)
        );
    }
}

fn check_set(set: &SequenceSet) {
    let printed = set.to_string();
    assert_eq!(
        SequenceSet::parse(printed.as_bytes(), usize::MAX).as_ref(),
        Ok(set)
    );
}

//! What happened in a mailbox is taken over without holding its rows, however many messages changed.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

use store::{
    Error, MailboxId,
    mailbox::{Roll, Since, Slot, news_since},
    sql::{Row, Sql, Value},
};

const MESSAGES: u32 = 1_000_000;
const INBOX: MailboxId = MailboxId(1);
/// Octets of memory that a step may take besides what it makes: for the allocator, and for what the system counts late.
const LITTLE: u64 = 4 << 20;

/// A mailbox all of whose messages changed with one MODSEQ.
struct Changed(i64);

struct Message {
    uid: u32,
    modseq: i64,
}

impl Sql for Changed {
    fn query(
        &mut self,
        sql: &str,
        _params: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !sql.contains("FROM message") {
            return Ok(());
        }
        assert!(sql.starts_with("SELECT uid, modseq, flags, keywords FROM"));
        let modseq = self.0;
        (1..=MESSAGES).try_for_each(|uid| each(&Message { uid, modseq }))
    }
}

impl Row for Message {
    fn value(&self, column: usize) -> Result<Value<'_>, Error> {
        Ok(match column {
            0 => self.uid.into(),
            1 => self.modseq.into(),
            2 => 1_u8.into(),
            _ => "$Label1 later".into(),
        })
    }
}

/// The most memory that this process ever had, in octets.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() << 10
}

#[test]
fn changes_of_a_million_messages_take_no_memory_beside_the_roll() {
    let slots = u64::from(MESSAGES) * size_of::<Slot>() as u64;
    let mut roll = Roll::empty_at(0);
    roll.catch_up(&mut Changed(1), INBOX, 1).unwrap();
    assert_eq!(roll.slots().len(), MESSAGES as usize);
    let before = peak();
    roll.catch_up(&mut Changed(2), INBOX, 2).unwrap();
    assert!(roll.slots().iter().all(|slot| slot.modseq == 2));
    let few = news_since(&mut Changed(3), INBOX, 2, 64 << 10).unwrap();
    let Since::Larger(octets) = few else {
        panic!("64 KiB are not enough");
    };
    assert!(octets >= slots, "{octets}");
    let grown = peak() - before;
    assert!(grown < LITTLE, "{grown} octets");
    let all = news_since(&mut Changed(3), INBOX, 2, octets).unwrap();
    let Since::News(news) = all else {
        panic!("{octets} are enough");
    };
    assert!(news.octets() <= octets);
    assert_eq!(news.changed.slots().len(), MESSAGES as usize);
}

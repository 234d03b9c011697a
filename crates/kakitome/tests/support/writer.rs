//! A mail program that changes its owner's mailboxes and knows, from the answers that it had, how they must be.

use std::{collections::BTreeMap, io, net::Ipv4Addr};

use super::{Letter, Person, imap, message, site};

/// A generator that a seed decides (SplitMix64: Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

const BOXES: [&str; 2] = ["INBOX", "Archive"];

/// Where a message is, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    mailbox: &'static str,
    uid: u32,
    seen: bool,
}

/// What was told of a mailbox.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    validity: u32,
    uid_next: u32,
    modseq: u64,
}

/// A change whose answer never came.
#[derive(Clone, Debug)]
enum Open {
    Append(Letter),
    Seen(String),
    Move(String),
    /// Marked as deleted, or expunged too.
    Expunge(String),
}

/// The mail program, and all that it was told.
pub(crate) struct Writer {
    pub(crate) person: Person,
    chance: Chance,
    count: u32,
    kept: BTreeMap<String, Kept>,
    told: BTreeMap<&'static str, Told>,
    open: Option<Open>,
    /// Changes that were answered with OK.
    pub(crate) done: usize,
}

impl Writer {
    pub(crate) fn new(person: Person, seed: u64) -> Self {
        Self {
            person,
            chance: Chance(seed),
            count: 0,
            kept: BTreeMap::new(),
            told: BTreeMap::new(),
            open: None,
            done: 0,
        }
    }

    /// Changes one thing after the other until the server is gone; `told` hears of each answer.
    pub(crate) fn write(&mut self, address: Ipv4Addr, told: &dyn Fn()) -> io::Result<()> {
        let mut session = self.session(address)?;
        self.select(&mut session, "INBOX")?;
        loop {
            self.step(&mut session)?;
            self.open = None;
            self.done += 1;
            told();
        }
    }

    fn session(&self, address: Ipv4Addr) -> io::Result<imap::Session> {
        let mut session = imap::Session::try_open(address, site::IMAP)?;
        let (identifier, password) = (&self.person.address, &self.person.password);
        say(
            &mut session,
            &format!("LOGIN \"{identifier}\" \"{password}\""),
        )?;
        Ok(session)
    }

    fn select(
        &mut self,
        session: &mut imap::Session,
        mailbox: &'static str,
    ) -> io::Result<imap::Answer> {
        let answer = say(session, &format!("SELECT {mailbox} (CONDSTORE)"))?;
        let text = answer.text().concat();
        let number = |name: &str| number_after(&text, &format!("[{name} ")).unwrap_or(0);
        let now = Told {
            validity: small(number("UIDVALIDITY")),
            uid_next: small(number("UIDNEXT")),
            modseq: number("HIGHESTMODSEQ"),
        };
        let before = self.told.insert(mailbox, now).unwrap_or_default();
        let what = format!("{} {mailbox}: {before:?}, then {now:?}", self.person.name);
        assert!(
            before.validity == 0 || before.validity == now.validity,
            "{what}"
        );
        assert!(before.uid_next <= now.uid_next, "{what}");
        assert!(before.modseq <= now.modseq, "{what}");
        Ok(answer)
    }

    /// What an answer tells of MODSEQ and of a UID that was given.
    fn hear(&mut self, mailbox: &'static str, answer: &imap::Answer, uid: Option<u32>) {
        let told = self.told.entry(mailbox).or_default();
        for line in answer.text().iter().chain([&answer.tagged]) {
            for name in ["MODSEQ (", "[HIGHESTMODSEQ "] {
                told.modseq = told.modseq.max(number_after(line, name).unwrap_or(0));
            }
        }
        if let Some(uid) = uid {
            told.uid_next = told.uid_next.max(uid + 1);
        }
    }

    fn step(&mut self, session: &mut imap::Session) -> io::Result<()> {
        let in_inbox = self.kept.iter().filter(|(_, kept)| kept.mailbox == "INBOX");
        let names: Vec<String> = in_inbox.map(|(name, _)| name.clone()).collect();
        let at = self.chance.below(names.len().max(1) as u64);
        let name = names.get(usize::try_from(at).unwrap());
        match (self.chance.below(5), name) {
            (0, Some(name)) => self.seen(session, name),
            (1, Some(name)) => self.archive(session, name),
            (2, Some(name)) => self.expunge(session, name),
            _ => self.append(session),
        }
    }

    fn append(&mut self, session: &mut imap::Session) -> io::Result<()> {
        self.count += 1;
        let name = format!("{}-{}", self.person.name, self.count);
        let letter = Letter::new(&name, &self.person.address, &self.person.address);
        self.open = Some(Open::Append(letter.clone()));
        let content = String::from_utf8(letter.content()).unwrap();
        let command = format!("APPEND INBOX {{{}+}}\r\n{content}", content.len());
        let answer = say(session, &command)?;
        let uid = put(&answer.tagged, "APPENDUID");
        self.hear("INBOX", &answer, Some(uid));
        let kept = Kept {
            mailbox: "INBOX",
            uid,
            seen: false,
        };
        self.kept.insert(letter.digest(), kept);
        Ok(())
    }

    fn uid(&self, name: &str) -> u32 {
        self.kept[name].uid
    }

    fn seen(&mut self, session: &mut imap::Session, name: &str) -> io::Result<()> {
        self.open = Some(Open::Seen(name.to_owned()));
        let command = format!("UID STORE {} +FLAGS.SILENT (\\Seen)", self.uid(name));
        let answer = say(session, &command)?;
        self.hear("INBOX", &answer, None);
        self.kept.get_mut(name).unwrap().seen = true;
        Ok(())
    }

    fn archive(&mut self, session: &mut imap::Session, name: &str) -> io::Result<()> {
        self.open = Some(Open::Move(name.to_owned()));
        let answer = say(session, &format!("UID MOVE {} Archive", self.uid(name)))?;
        let told = answer.text().concat() + &answer.tagged;
        let uid = put(&told, "COPYUID");
        self.hear("INBOX", &answer, None);
        let archive = self.told.entry("Archive").or_default();
        archive.uid_next = archive.uid_next.max(uid + 1);
        let kept = self.kept.get_mut(name).unwrap();
        (kept.mailbox, kept.uid) = ("Archive", uid);
        Ok(())
    }

    fn expunge(&mut self, session: &mut imap::Session, name: &str) -> io::Result<()> {
        self.open = Some(Open::Expunge(name.to_owned()));
        let uid = self.uid(name);
        let command = format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)");
        let answer = say(session, &command)?;
        self.hear("INBOX", &answer, None);
        let answer = say(session, &format!("UID EXPUNGE {uid}"))?;
        self.hear("INBOX", &answer, None);
        self.kept.remove(name);
        Ok(())
    }

    /// Holds the mailboxes against what was told; what had no answer is as it is found from now on. How many changes had none.
    pub(crate) fn check(&mut self, address: Ipv4Addr) -> usize {
        let mut session = self.session(address).unwrap();
        let mut found: BTreeMap<String, Kept> = BTreeMap::new();
        for mailbox in BOXES {
            let count = imap::exists(&self.select(&mut session, mailbox).unwrap()).unwrap();
            if count == 0 {
                continue;
            }
            let answer = session.ok("FETCH 1:* (UID FLAGS BODY.PEEK[TEXT])");
            for response in &answer.untagged {
                let text = String::from_utf8_lossy(response);
                if !text.contains("BODY[TEXT]") {
                    continue;
                }
                let digest = message::digest(imap::literal_of(response));
                let kept = Kept {
                    mailbox,
                    uid: small(number_after(&text, "UID ").unwrap()),
                    seen: text.contains("\\Seen"),
                };
                let twice = found.insert(digest, kept);
                assert_eq!(
                    twice, None,
                    "{}: a message is there twice",
                    self.person.name
                );
            }
        }
        let open = self.open.take();
        self.settle(open.as_ref(), &found);
        assert_eq!(self.kept, found, "{} ({open:?})", self.person.name);
        usize::from(open.is_some())
    }

    /// A change without an answer took effect, or did not: nothing else.
    fn settle(&mut self, open: Option<&Open>, found: &BTreeMap<String, Kept>) {
        match open {
            None => {}
            Some(Open::Append(letter)) => {
                if let Some(kept) = found.get(&letter.digest()) {
                    assert_eq!((kept.mailbox, kept.seen), ("INBOX", false));
                    self.kept.insert(letter.digest(), kept.clone());
                }
            }
            Some(Open::Seen(name)) => {
                let there = found.get(name).map(|kept| kept.seen);
                let kept = self.kept.get_mut(name).unwrap();
                kept.seen = there.unwrap_or(kept.seen);
            }
            Some(Open::Move(name)) => {
                let kept = self.kept.get_mut(name).unwrap();
                if let Some(moved) = found.get(name).filter(|one| one.mailbox == "Archive") {
                    (kept.mailbox, kept.uid) = ("Archive", moved.uid);
                }
            }
            Some(Open::Expunge(name)) if !found.contains_key(name) => {
                self.kept.remove(name);
            }
            Some(Open::Expunge(_)) => {}
        }
    }
}

/// Gives a command that is answered with OK, unless the server goes meanwhile.
fn say(session: &mut imap::Session, command: &str) -> io::Result<imap::Answer> {
    let answer = session.try_give(command)?;
    assert!(answer.is_ok(), "after {command:?}: {answer:?}");
    Ok(answer)
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap()
}

/// The UID that APPENDUID or COPYUID tells last.
fn put(told: &str, code: &str) -> u32 {
    let (_, rest) = told.split_once(&format!("[{code} ")).unwrap();
    let (told, _) = rest.split_once(']').unwrap();
    told.rsplit(' ').next().unwrap().parse().unwrap()
}

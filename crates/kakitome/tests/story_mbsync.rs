//! mbsync keeps a Maildir and a mailbox alike, both ways; a second run finds nothing to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use support::{Letter, Person, Program, Site, imap, message::body, message::digest, site::IMAPS};

/// Both sides of a synchronisation.
struct Sides {
    site: Site,
    person: Person,
    maildir: PathBuf,
    settings: PathBuf,
}

impl Sides {
    fn new() -> Self {
        let site = Site::served("city.example");
        let person = site.person("tanaka");
        let maildir = site.beside("Maildir");
        fs::create_dir_all(&maildir).unwrap();
        let settings = site.beside("mbsyncrc");
        let text = format!(
            "IMAPStore far\nHost {}\nPort {IMAPS}\nUser {}\nPass \"{}\"\nSSLType IMAPS\nCertificateFile {}\n\
             AuthMechs LOGIN PLAIN\nTimeout 60\n\n\
             MaildirStore near\nPath {m}/\nInbox {m}/Inbox\nSubFolders Verbatim\n\n\
             Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nRemove Both\nSync All\n\
             SyncState *\nCopyArrivalDate yes\n",
            site.address,
            person.address,
            person.password,
            site.certificate().display(),
            m = maildir.display(),
        );
        fs::write(&settings, text).unwrap();
        fs::set_permissions(&settings, fs::Permissions::from_mode(0o600)).unwrap();
        Self {
            site,
            person,
            maildir,
            settings,
        }
    }

    #[track_caller]
    fn synchronise(&self) -> String {
        Program::new("mbsync")
            .env("HOME", self.site.beside(""))
            .word("-c")
            .word(&self.settings)
            .words(["-V", "all"])
            .run()
            .succeeded_loudly()
    }

    /// Files of the Maildir with their flags, without mbsync's own.
    fn files(&self) -> BTreeSet<String> {
        walk(&self.maildir)
            .into_iter()
            .map(|path| {
                path.strip_prefix(&self.maildir)
                    .unwrap()
                    .display()
                    .to_string()
            })
            .filter(|name| !name.contains(".mbsyncstate") && !name.contains(".uidvalidity"))
            .collect()
    }

    /// Digests of the bodies in a folder of the Maildir.
    fn near(&self, folder: &str) -> BTreeSet<String> {
        walk(&self.maildir.join(folder))
            .into_iter()
            .filter(|path| {
                path.parent()
                    .is_some_and(|p| p.ends_with("cur") || p.ends_with("new"))
            })
            .map(|path| {
                let text = String::from_utf8(fs::read(path).unwrap()).unwrap();
                digest(body(
                    text.replace("\r\n", "\n").replace('\n', "\r\n").as_bytes(),
                ))
            })
            .collect()
    }

    /// Digests of the bodies in a mailbox.
    fn far(&self, mailbox: &str) -> BTreeSet<String> {
        let mut imap = self.imap();
        let count = imap.select(mailbox);
        (1..=count).map(|number| imap.body_digest(number)).collect()
    }

    fn imap(&self) -> imap::Session {
        self.site.imap(&self.person)
    }
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// A file name of a Maildir without its flags.
fn name_of(file: &str) -> String {
    file.rsplit('/')
        .next()
        .unwrap()
        .split(':')
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn both_sides_become_alike_and_stay_so() {
    let sides = Sides::new();
    let letters: Vec<Letter> = (0..40)
        .map(|n| {
            Letter::new(
                &format!("far-{n}"),
                "friend@elsewhere.example",
                &sides.person.address,
            )
        })
        .collect();
    let mut smtp = sides.site.smtp();
    for letter in &letters {
        assert_eq!(
            smtp.send(&letter.from, &[&letter.to], &letter.content())
                .unwrap()
                .code,
            250
        );
    }
    let mut imap = sides.imap();
    imap.select("INBOX");
    imap.ok("STORE 1:5 +FLAGS (\\Seen)");
    imap.ok("STORE 3 +FLAGS (\\Flagged \\Answered)");
    imap.ok("CREATE \"&Zk6tcA-\"");
    imap.ok("COPY 1:10 \"&Zk6tcA-\"");
    imap.ok("CREATE Projects/2026");
    imap.ok("COPY 7 Projects/2026");

    // The first run brings everything here.
    sides.synchronise();
    let wanted: BTreeSet<String> = letters.iter().map(Letter::digest).collect();
    assert_eq!(sides.near("Inbox"), wanted);
    assert_eq!(
        sides.near("Projects/2026"),
        BTreeSet::from([letters[6].digest()])
    );
    let seen = sides
        .files()
        .iter()
        .filter(|f| f.starts_with("Inbox/cur") && f.ends_with('S'))
        .count();
    assert_eq!(seen, 5, "{:?}", sides.files());
    unchanged(&sides);

    // Changes on both sides at once: new mail, flags and deletions here and there.
    let draft = Letter::new(
        "written-here",
        &sides.person.address,
        "friend@elsewhere.example",
    );
    let text = String::from_utf8(draft.content())
        .unwrap()
        .replace("\r\n", "\n");
    fs::write(sides.maildir.join("Inbox/new/1795000000.1_1.client"), text).unwrap();
    let mine: Vec<String> = sides
        .files()
        .into_iter()
        .filter(|f| f.starts_with("Inbox/new/"))
        .collect();
    let removed = mine.iter().find(|f| !f.contains("client")).unwrap();
    let removed_digest = {
        let text = String::from_utf8(fs::read(sides.maildir.join(removed)).unwrap()).unwrap();
        digest(body(
            text.replace("\r\n", "\n").replace('\n', "\r\n").as_bytes(),
        ))
    };
    fs::remove_file(sides.maildir.join(removed)).unwrap();
    let there = Letter::new(
        "arrived-there",
        "friend@elsewhere.example",
        &sides.person.address,
    );
    assert_eq!(
        smtp.send(&there.from, &[&there.to], &there.content())
            .unwrap()
            .code,
        250
    );
    imap.select("INBOX");
    imap.ok("STORE 2 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    imap.ok("STORE 1 +FLAGS (\\Flagged)");
    imap.ok("DELETE Projects/2026");

    sides.synchronise();
    let mut wanted = wanted;
    wanted.insert(draft.digest());
    wanted.insert(there.digest());
    wanted.remove(&letters[1].digest());
    assert!(wanted.remove(&removed_digest));
    assert_eq!(sides.near("Inbox"), wanted, "here");
    assert_eq!(sides.far("INBOX"), wanted, "there");
    let flagged = sides
        .files()
        .iter()
        .filter(|f| f.starts_with("Inbox/") && f.ends_with("FS"))
        .count();
    assert_eq!(flagged, 1, "{:?}", sides.files());
    unchanged(&sides);
}

/// Another run changes nothing on either side.
#[track_caller]
fn unchanged(sides: &Sides) {
    let near = sides.files();
    let mut imap = sides.imap();
    let status = |imap: &mut imap::Session| {
        ["INBOX", "\"&Zk6tcA-\""].map(|mailbox| {
            imap.ok(&format!(
                "STATUS {mailbox} (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)"
            ))
            .text()
        })
    };
    let far = status(&mut imap);
    let told = sides.synchronise();
    for line in told
        .lines()
        .filter(|line| line.contains("pulled") || line.contains("pushed"))
    {
        assert!(
            !line.chars().any(|c| ('1'..='9').contains(&c)),
            "mbsync found something to do: {told}"
        );
    }
    let names =
        |files: &BTreeSet<String>| files.iter().map(|f| name_of(f)).collect::<BTreeSet<_>>();
    assert_eq!(names(&sides.files()), names(&near), "here");
    assert_eq!(status(&mut imap), far, "there");
}

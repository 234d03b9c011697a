//! The walk through a message's files, and its limits.

use std::{
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use data_encoding::HEXLOWER;
use malware::{Facts, FileMark, Leaf, Limits, MarkRoom, Note, What, test_virus};
use sha2::{Digest, Sha256};

use crate::{archive, form, form::Container, mail, name, office, page};

/// From here on, how much larger everything is than the message counts ([`Limits::ratio`]): small things pack well.
const RATIO_FROM: u64 = 16 << 20;
/// Octets that are unpacked before time and room are looked at again.
const PIECE: usize = 64 << 10;

/// What can be seen in `message` within the limits.
#[must_use]
pub fn inspect(message: &[u8], limits: Limits) -> Facts {
    inspect_each(message, limits, &mut |_, _| {})
}

/// The same, and each file is shown to `each` when it is reached: its path and its octets, archives before what lies in them, parts of
/// documents too. What lies behind a limit is not shown, and the facts say so.
///
/// A panic of `each` may be taken for a damaged archive: who must know has to note when it begins and ends.
#[must_use]
pub fn inspect_each(message: &[u8], limits: Limits, each: &mut Each<'_>) -> Facts {
    let mut inspector = Inspector::new(message, limits, each);
    mail::message(&mut inspector, message, "", 0);
    inspector.facts
}

/// Who is shown each file.
pub type Each<'e> = dyn FnMut(&str, &[u8]) + 'e;

/// One inspection.
pub(crate) struct Inspector<'e> {
    pub(crate) limits: Limits,
    pub(crate) facts: Facts,
    /// Octets that may still be unpacked.
    left: u64,
    ends: Option<Instant>,
    /// Nothing more is opened, for one of these reasons.
    over: Option<What>,
    /// For what rules may know files by.
    marks: MarkRoom,
    each: &'e mut Each<'e>,
}

/// A file and where it lies.
#[derive(Clone, Copy)]
pub(crate) struct File<'f> {
    /// Its path.
    pub(crate) path: &'f str,
    /// Its name.
    pub(crate) name: &'f str,
    /// Containers that it lies in.
    pub(crate) depth: usize,
    /// It is a part of a document, of which only what is amiss is told.
    pub(crate) is_inner: bool,
    /// The message declares it as what a browser shows and runs.
    pub(crate) is_page: bool,
}

impl<'e> Inspector<'e> {
    fn new(message: &[u8], limits: Limits, each: &'e mut Each<'e>) -> Self {
        let size = u64::try_from(message.len()).unwrap_or(u64::MAX);
        let dense = size.saturating_mul(limits.ratio).max(RATIO_FROM);
        Self {
            limits,
            facts: Facts::default(),
            left: limits.total_octets.min(dense),
            ends: Instant::now().checked_add(limits.time),
            over: None,
            marks: MarkRoom::default(),
            each,
        }
    }

    pub(crate) fn note(&mut self, what: What, path: &str, detail: &str) {
        self.facts.note(Note::new(what, path, detail));
    }

    /// Whether there is room and time for another file; notes why not, once.
    pub(crate) fn may_go_on(&mut self, path: &str) -> bool {
        if self.over.is_some() {
            return false;
        }
        let most = u64::try_from(self.limits.entries).unwrap_or(u64::MAX);
        let over = match () {
            () if self.is_late() => What::TooSlow,
            () if self.facts.entries >= most => What::TooMany,
            () if self.left == 0 => What::TooLargeInAll,
            () => return true,
        };
        self.stop(over, path);
        false
    }

    fn stop(&mut self, why: What, path: &str) {
        if self.over.is_none() {
            self.over = Some(why);
            self.note(why, path, "");
        }
    }

    fn is_late(&self) -> bool {
        is_late(self.ends)
    }

    /// How far the next file may be unpacked, for a library that hands its octets over instead of being read.
    pub(crate) fn bound(&self) -> Bound {
        let octets = self.left.min(self.limits.entry_octets);
        Bound {
            octets: usize::try_from(octets).unwrap_or(usize::MAX),
            ends: self.ends,
        }
    }

    /// Takes octets that are there already, such as a decoded part, from the room; `false` when there was not so much.
    pub(crate) fn take(&mut self, octets: usize, path: &str) -> bool {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        match self.left.checked_sub(octets) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.left = 0;
                self.stop(What::TooLargeInAll, path);
                false
            }
        }
    }

    /// Reads a file as far as room and time allow. What was read up to a limit, or until the archive broke, is looked at, too.
    pub(crate) fn unpack(&mut self, mut reader: impl Read, path: &str) -> Vec<u8> {
        let mut data = Vec::new();
        let mut piece = vec![0; PIECE];
        loop {
            if self.is_late() {
                self.stop(What::TooSlow, path);
                return data;
            }
            let count = match reader.read(&mut piece) {
                Ok(0) => return data,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.note(What::Damaged, path, &error.to_string());
                    return data;
                }
            };
            let octets = u64::try_from(data.len().saturating_add(count)).unwrap_or(u64::MAX);
            if octets > self.limits.entry_octets {
                self.note(What::TooLarge, path, "");
                return data;
            }
            if !self.take(count, path) {
                return data;
            }
            data.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
    }

    /// What a name alone gives to note, such as that of a file that cannot be opened.
    pub(crate) fn look_at_name(&mut self, file: File<'_>) {
        let seen: String = file.name.chars().take(LONGEST_NAME).collect();
        for what in name::notes(&seen) {
            self.note(what, file.path, "");
        }
        if file.name.chars().nth(self.limits.name_characters).is_some() {
            // Its end is what decides how it is opened; so much of it is no accident.
            let end: String = file.name.chars().rev().take(LONGEST_NAME).collect();
            let end: String = end.chars().rev().collect();
            if name::is_run(&end) {
                self.note(What::Padded, file.path, "");
            }
        }
    }

    /// What can be known of a file that stays closed: its name. Rules may know it by that.
    pub(crate) fn closed(&mut self, file: File<'_>) {
        if !file.is_inner {
            let mark = FileMark::new(file.name, "", String::new());
            self.facts.mark(mark, file.path, &mut self.marks);
        }
        self.look_at_name(file);
    }

    /// Looks at a file that is unpacked, and into it if there is room and time.
    pub(crate) fn file(&mut self, file: File<'_>, data: &[u8]) {
        let octets = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.facts.entries = self.facts.entries.saturating_add(1);
        self.facts.octets = self.facts.octets.saturating_add(octets);
        if !file.is_inner {
            let kind = form::media_type(data);
            // A text without a name is what the message says, and no file.
            if !(file.name.is_empty() && matches!(kind, "" | "text/html")) {
                let digest = HEXLOWER.encode(&Sha256::digest(data));
                let mark = FileMark::new(file.name, kind, digest.clone());
                self.facts.mark(mark, file.path, &mut self.marks);
                self.facts.leaf(Leaf::new(file.path, kind, octets, digest));
            }
            self.look_at_name(file);
        }
        (self.each)(file.path, data);
        self.look_at_form(file, data);
        for container in containers(file, data).into_iter().flatten() {
            self.open(container, file, data);
        }
    }

    fn look_at_form(&mut self, file: File<'_>, data: &[u8]) {
        if data.starts_with(&test_virus()) {
            self.note(What::TestVirus, file.path, "");
        }
        if form::is_program(data) {
            if !name::is_run(file.name) {
                self.note(What::Executable, file.path, "");
            }
            if name::is_read(file.name) {
                self.note(What::Disguised, file.path, "");
            }
        }
        if form::is_compound(data) {
            for what in office::notes(data) {
                self.note(what, file.path, "");
            }
        }
        if office::is_code(file.path) {
            self.note(What::Macros, file.path, "");
        }
        if file.is_page || name::is_page(file.name) || page::is_page(data) {
            match page::smuggles(data) {
                Some(true) => self.note(What::Smuggling, file.path, ""),
                Some(false) => {}
                None => self.note(What::TooLarge, file.path, "page"),
            }
        }
    }

    fn open(&mut self, container: Container, file: File<'_>, data: &[u8]) {
        if !self.may_go_on(file.path) {
            return;
        }
        let depth = file.depth.saturating_add(1);
        if depth > self.limits.depth {
            self.note(What::TooDeep, file.path, "");
            return;
        }
        let inside = File {
            depth,
            is_page: false,
            ..file
        };
        // Libraries that unpack panic over what they did not think of; then the archive is damaged, and the message goes on to be
        // looked at. What was noted before stays.
        let opening = AssertUnwindSafe(|| archive::open(self, container, inside, data));
        if catch_unwind(opening).is_err() {
            self.note(What::Damaged, file.path, "it cannot be unpacked");
        }
    }

    /// Opens what lies in `outer` under `name`.
    pub(crate) fn inner(&mut self, outer: File<'_>, name: &str, data: &[u8]) {
        let path = format!("{}/{name}", outer.path);
        let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let file = File {
            path: &path,
            name: last,
            is_page: false,
            ..outer
        };
        self.file(file, data);
    }
}

/// Room and time for one file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// Octets.
    pub(crate) octets: usize,
    ends: Option<Instant>,
}

impl Bound {
    /// Whether there is no more time.
    pub(crate) fn is_late(self) -> bool {
        is_late(self.ends)
    }
}

fn is_late(ends: Option<Instant>) -> bool {
    ends.is_none_or(|ends| Instant::now() >= ends)
}

/// Characters of a name that are looked at by themselves.
const LONGEST_NAME: usize = 1024;

/// What a file holds others as: by its first octets, and by its name where that means another kind and the file may be one. Programs differ
/// in which they go by, and whoever writes a file that is two archives counts on that.
fn containers(file: File<'_>, data: &[u8]) -> [Option<Container>; 2] {
    let by_name = form::named(file.name);
    match form::container(data) {
        // What is named a message is read as one, whatever it begins with.
        _ if by_name == Some(Container::Mail) => [by_name, None],
        Some(container) => {
            let other = by_name.filter(|other| *other != container && form::may_be(*other, data));
            [Some(container), other]
        }
        None => [by_name.filter(|_| !form::is_compound(data)), None],
    }
}

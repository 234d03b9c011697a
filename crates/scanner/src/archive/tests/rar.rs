//! RAR of all ages. Stored ones are written here octet by octet, so that the library does not only read what it wrote.

use malware::{Concern, Limits, What, test_virus};
use proptest::prelude::*;
use rars::{ArchiveVersion, Builder};

use super::{Entry, assert_found, bounded, mail, seen};
use crate::inspect;

const AGES: [ArchiveVersion; 6] = [
    ArchiveVersion::Rar14,
    ArchiveVersion::Rar15,
    ArchiveVersion::Rar20,
    ArchiveVersion::Rar30,
    ArchiveVersion::Rar50,
    ArchiveVersion::Rar70,
];

fn builder(age: ArchiveVersion, entries: &[Entry<'_>]) -> Builder {
    let mut builder = Builder::new(age);
    for (name, data) in entries {
        let (name, data) = (name.as_bytes().to_vec(), data.to_vec());
        builder.add_bytes(name, data, None, None).unwrap();
    }
    builder
}

fn rar(age: ArchiveVersion, entries: &[Entry<'_>]) -> Vec<u8> {
    builder(age, entries).to_bytes().unwrap()
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

fn vint(mut number: usize) -> Vec<u8> {
    let mut octets = Vec::new();
    while number > 127 {
        octets.push(u8::try_from(number & 127).unwrap() | 128);
        number >>= 7;
    }
    octets.push(u8::try_from(number).unwrap());
    octets
}

/// A header of RAR 5: its sum and its size before it.
fn header_5(fields: &[u8]) -> Vec<u8> {
    let sized = [vint(fields.len()).as_slice(), fields].concat();
    [crc32(&sized).to_le_bytes().as_slice(), &sized].concat()
}

/// RAR 5 with one file, packed as `compression` says: 0 is stored.
fn rar_5(name: &[u8], data: &[u8], compression: usize) -> Vec<u8> {
    let length = vint(data.len());
    let mut file = vec![2, 2];
    file.extend(&length);
    file.push(4);
    file.extend(&length);
    file.push(0);
    file.extend(crc32(data).to_le_bytes());
    file.extend(vint(compression));
    file.push(0);
    file.extend(vint(name.len()));
    file.extend(name);
    [
        b"Rar!\x1a\x07\x01\0".as_slice(),
        &header_5(&[1, 0, 0]),
        &header_5(&file),
        data,
        &header_5(&[5, 0, 0]),
    ]
    .concat()
}

/// A header of RAR 4: the lower half of its sum before it.
fn header_4(fields: &[u8]) -> Vec<u8> {
    let sum = crc32(fields).to_le_bytes();
    [&sum[..2], fields].concat()
}

/// RAR 4 with one stored file.
fn rar_4(name: &[u8], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    let mut file = vec![0x74, 0, 0x80];
    file.extend(u16::try_from(32 + name.len()).unwrap().to_le_bytes());
    file.extend([length, length].concat());
    file.push(2);
    file.extend(crc32(data).to_le_bytes());
    file.extend([0, 0, 0x21, 0x4a, 29, 0x30]);
    file.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    file.extend([0x20, 0, 0, 0]);
    file.extend(name);
    [
        b"Rar!\x1a\x07\0".as_slice(),
        &header_4(&[0x73, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0]),
        &header_4(&file),
        data,
        &header_4(&[0x7b, 0, 0x40, 7, 0]),
    ]
    .concat()
}

#[test]
fn the_test_file_is_found_in_rar_of_every_age() {
    let bad = test_virus();
    let text = b"harmless words, and again harmless words\n".repeat(999);
    let entries: &[Entry<'_>] = &[("readme.txt", &text), ("bad.txt", &bad)];
    for age in AGES {
        let solid = builder(age, entries).solid(true).to_bytes().unwrap();
        let stored = builder(age, entries).store(true).to_bytes().unwrap();
        for archive in [rar(age, entries), solid, stored] {
            let facts = seen("a.rar", &archive);
            assert_found(&facts, What::TestVirus, "a.rar/bad.txt");
            assert_eq!(facts.concerns, [Concern::TestVirus], "{age:?}: {facts:#?}");
            assert_eq!(facts.entries, 3, "{age:?}: {facts:#?}");
            // By its first octets, whatever it is called.
            let facts = seen("picture.jpg", &archive);
            assert_eq!(facts.concerns, [Concern::TestVirus], "{age:?}: {facts:#?}");
        }
    }
    for archive in [rar_4(b"bad.txt", &bad), rar_5(b"bad.txt", &bad, 0)] {
        let facts = seen("a.rar", &archive);
        assert_found(&facts, What::TestVirus, "a.rar/bad.txt");
        assert_eq!(facts.concerns, [Concern::TestVirus], "{facts:#?}");
        // A program that unpacks itself, under a name that opens it as an archive.
        let before = [b"MZ".repeat(300), archive].concat();
        assert_found(&seen("a.rar", &before), What::TestVirus, "a.rar/bad.txt");
    }
    // 請求 in Shift_JIS.
    let facts = seen("a.rar", &rar_4(b"\x90\xbf\x8b\x81.exe", b"MZ"));
    assert_found(&facts, What::Executable, "a.rar/請求.exe");
}

#[test]
fn passwords_of_rar_are_recognised_and_names_before_them_read() {
    let entries: &[Entry<'_>] = &[("readme.txt", b"words"), ("見積.pdf.exe", b"MZ")];
    for age in [ArchiveVersion::Rar30, ArchiveVersion::Rar50] {
        let locked = || builder(age, entries).password(Some(b"word".to_vec()));
        let facts = seen("a.rar", &locked().to_bytes().unwrap());
        assert_found(&facts, What::Encrypted, "a.rar/readme.txt");
        assert_found(&facts, What::Encrypted, "a.rar/見積.pdf.exe");
        assert_found(&facts, What::DoubleExtension, "a.rar/見積.pdf.exe");
        let solid = locked().solid(true).to_bytes().unwrap();
        let facts = seen("a.rar", &solid);
        assert_found(&facts, What::Encrypted, "a.rar/readme.txt");
        assert_found(&facts, What::DoubleExtension, "a.rar/見積.pdf.exe");
        let hidden = locked().header_encryption(true).to_bytes().unwrap();
        let facts = seen("a.rar", &hidden);
        assert_found(&facts, What::Encrypted, "a.rar");
        assert_eq!(facts.concerns, [Concern::Encrypted], "{age:?}: {facts:#?}");
    }
}

#[test]
fn a_file_in_several_volumes_is_told_and_others_are_looked_at() {
    let noise: Vec<u8> = (0..9000_u32)
        .flat_map(|number| crc32(&number.to_le_bytes()).to_le_bytes())
        .collect();
    let bad = test_virus();
    for age in [ArchiveVersion::Rar30, ArchiveVersion::Rar50] {
        let both: &[Entry<'_>] = &[("bad.txt", &bad), ("large.exe", &noise)];
        // The writer of the older one splits one file only.
        let is_new = age == ArchiveVersion::Rar50;
        let all = builder(age, if is_new { both } else { &both[1..] }).store(true);
        let parts = all.volume_size(Some(9000)).build_volumes(None).unwrap();
        assert!(parts.len() > 2, "{age:?}");
        let first = seen("a.part1.rar", &parts[0]);
        if is_new {
            assert_found(&first, What::TestVirus, "a.part1.rar/bad.txt");
        }
        assert_found(&first, What::Unopened, "a.part1.rar/large.exe");
        let second = seen("a.part2.rar", &parts[1]);
        assert_found(&second, What::Unopened, "a.part2.rar/large.exe");
    }
}

#[test]
fn rar_that_is_broken_is_looked_at_up_to_where_it_broke() {
    let bad = test_virus();
    let text = b"harmless words, and again harmless words\n".repeat(999);
    for age in [
        ArchiveVersion::Rar20,
        ArchiveVersion::Rar30,
        ArchiveVersion::Rar50,
    ] {
        let whole = rar(age, &[("bad.txt", &bad), ("b.txt", &text)]);
        let cut = seen("a.rar", &whole[..whole.len() - 40]);
        assert!(
            cut.concerns.contains(&Concern::Incomplete),
            "{age:?}: {cut:#?}"
        );
        // The last octets of the last file: its sum is wrong.
        let stored = builder(age, &[("b.txt", &text), ("bad.txt", &bad)]).store(true);
        let mut wrong = stored.to_bytes().unwrap();
        let at = memchr::memmem::find(&wrong, &bad).unwrap();
        wrong[at + bad.len() - 1] ^= 1;
        let facts = seen("a.rar", &wrong);
        assert_found(&facts, What::Damaged, "a.rar/bad.txt");
        assert_eq!(facts.entries, 3, "{age:?}: {facts:#?}");
    }
    let none = seen("a.rar", b"no archive at all");
    assert_found(&none, What::Damaged, "a.rar");
}

#[test]
fn bombs_of_rar_end_at_a_limit() {
    let limits = Limits {
        total_octets: 24 << 20,
        entry_octets: 4 << 20,
        ..Limits::default()
    };
    let zeros = vec![0; 5 << 20];
    for age in [ArchiveVersion::Rar30, ArchiveVersion::Rar50] {
        let entries: &[Entry<'_>] = &[("0", &zeros), ("1", &zeros), ("bad.exe", b"MZ")];
        let quick = |is_solid| {
            let quick = builder(age, entries).compression_level(Some(1));
            quick.solid(is_solid).to_bytes().unwrap()
        };
        let large = bounded("a.rar", &quick(false), limits);
        assert_found(&large, What::TooLarge, "a.rar/0");
        assert_found(&large, What::TooLarge, "a.rar/1");
        assert_found(&large, What::Executable, "a.rar/bad.exe");
        let solid = bounded("a.rar", &quick(true), limits);
        assert_found(&solid, What::TooLarge, "a.rar/0");
        assert_found(&solid, What::Executable, "a.rar/bad.exe");
        assert!(solid.octets <= limits.total_octets, "{solid:#?}");

        let names: Vec<String> = (0..3000).map(|number| format!("{number}.txt")).collect();
        let entries: Vec<Entry<'_>> = names
            .iter()
            .map(|name| (name.as_str(), b"x".as_slice()))
            .collect();
        let many = builder(age, &entries).store(true).to_bytes().unwrap();
        assert_eq!(bounded("a.rar", &many, limits).entries, 2000);
    }
    // Best method, and a dictionary of 4 GiB: no more is taken for it than a decoder may have.
    let facts = bounded(
        "a.rar",
        &rar_5(b"a.txt", b"text", (5 << 7) | (15 << 10)),
        limits,
    );
    assert_found(&facts, What::TooLarge, "a.rar/a.txt");
}

proptest! {
    /// Whatever is broken in it, nothing of it is beyond the limits.
    #[test]
    fn broken_rar_is_survived(
        age in 0..AGES.len(),
        is_solid in any::<bool>(),
        at in any::<proptest::sample::Index>(),
        octets in proptest::collection::vec(any::<u8>(), 1..16),
        cut in any::<proptest::sample::Index>(),
    ) {
        let text = b"some text some other text some text ".repeat(9);
        let entries: &[Entry<'_>] = &[("a.txt", &text), ("b", b"x")];
        let mut archive = builder(AGES[age], entries).solid(is_solid).to_bytes().unwrap();
        let place = at.index(archive.len());
        for (to, from) in archive.iter_mut().skip(place).zip(octets) {
            *to = from;
        }
        archive.truncate(cut.index(archive.len()) + 1);
        let limits = Limits { total_octets: 1 << 20, ..Limits::default() };
        let facts = inspect(&mail("a.rar", &archive), limits);
        prop_assert!(facts.octets <= limits.total_octets);
    }
}

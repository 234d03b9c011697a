//! Archives as people and attackers make them; each is built here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod rar;

use std::{
    io::{Cursor, Write},
    time::{Duration, Instant},
};

use malware::{Concern, Facts, Limits, What, test_virus, walk::in_place};
use proptest::prelude::*;

use crate::inspect;

type Entry<'e> = (&'e str, &'e [u8]);

/// A message with one attachment.
fn mail(name: &str, data: &[u8]) -> Vec<u8> {
    let head = format!(
        "From: <a@x.example>\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=\"{name}\"\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n"
    );
    [head.as_bytes(), data].concat()
}

fn seen(name: &str, data: &[u8]) -> Facts {
    let message = mail(name, data);
    let facts = inspect(&message, Limits::default());
    assert!(
        in_place(&message, Limits::default())
            .is_none_or(|said| said == facts && said.concerns.is_empty())
    );
    facts
}

#[test]
fn what_holds_nothing_to_open_is_looked_at_in_place_and_nothing_else_is() {
    let named = |name: &str, data: &[u8]| in_place(&mail(name, data), Limits::default());
    let text = b"From: <a@x.example>\r\n\r\nbegin at ten\r\n";
    let said = in_place(text, Limits::default()).unwrap();
    assert_eq!((said.entries, said.octets), (1, 14));
    let said = named("report.pdf", b"%PDF-1.7").unwrap();
    assert_eq!(said.leaves[0].kind, "application/pdf");
    assert_eq!(said.files[0].name, "report.pdf");
    let packed = zip(&[("a.txt", b"a")]);
    for (name, data) in [
        ("a.zip", packed.as_slice()),
        ("a.txt", packed.as_slice()),
        ("a.rar", b"no archive, but named one"),
        ("a.iso", b"named what is not opened"),
        ("a.bin", b"\x7fELF"),
        ("a.pdf.exe", b"text"),
        ("a.txt", &test_virus()),
        (
            "a.html",
            b"<script>new Blob([atob(d)]);a.download='x'</script>",
        ),
    ] {
        assert_eq!(named(name, data), None, "{name}");
    }
}

fn zip(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data) in entries {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(*name, options).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn seven_zip(entries: &[Entry<'_>], password: Option<&str>) -> Vec<u8> {
    let mut writer = sevenz_rust2::ArchiveWriter::new(Cursor::new(Vec::new())).unwrap();
    if let Some(password) = password {
        let aes = sevenz_rust2::encoder_options::AesEncoderOptions::new(password.into());
        writer.set_content_methods(vec![aes.into(), sevenz_rust2::EncoderMethod::LZMA2.into()]);
        writer.set_encrypt_header(true);
    }
    for (name, data) in entries {
        let entry = sevenz_rust2::ArchiveEntry::new_file(name);
        writer.push_archive_entry(entry, Some(*data)).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, *data).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(data: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn xz(data: &[u8]) -> Vec<u8> {
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), Default::default()).unwrap();
    writer.write_all(data).unwrap();
    writer.finish().unwrap()
}

fn cab(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = cab::CabinetBuilder::new();
    let folder = builder.add_folder(cab::CompressionType::MsZip);
    for (name, _) in entries {
        folder.add_file(*name);
    }
    let mut writer = builder.build(Cursor::new(Vec::new())).unwrap();
    let mut at = 0;
    while let Some(mut file) = writer.next_file().unwrap() {
        file.write_all(entries[at].1).unwrap();
        at += 1;
    }
    writer.finish().unwrap().into_inner()
}

/// Stored (`-lh0-`), with a header of level 0.
fn lzh(name: &[u8], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    let mut header = b"-lh0-".to_vec();
    header.extend(length);
    header.extend(length);
    header.extend([0, 0, 0x21, 0x4a, 0x20, 0]);
    header.push(u8::try_from(name.len()).unwrap());
    header.extend(name);
    header.extend(crc16(data).to_le_bytes());
    let sum = header
        .iter()
        .fold(0_u8, |sum, octet| sum.wrapping_add(*octet));
    let size = u8::try_from(header.len()).unwrap();
    [&[size, sum], header.as_slice(), data, &[0]].concat()
}

fn crc16(data: &[u8]) -> u16 {
    data.iter().fold(0, |crc, octet| {
        (0..8).fold(crc ^ u16::from(*octet), |crc, _| match crc & 1 {
            1 => (crc >> 1) ^ 0xa001,
            _ => crc >> 1,
        })
    })
}

#[track_caller]
fn assert_found(facts: &Facts, what: What, path: &str) {
    let found = facts.notes.iter();
    let mut found = found.filter(|note| note.what == what);
    assert!(
        found.any(|note| note.path == path),
        "{what:?} at {path}: {facts:#?}"
    );
}

#[test]
fn the_test_file_is_found_in_every_archive() {
    let bad = test_virus();
    let entries: &[Entry<'_>] = &[("readme.txt", b"harmless"), ("bad.txt", &bad)];
    for (name, archive) in [
        ("a.zip", zip(entries)),
        ("a.7z", seven_zip(entries, None)),
        ("a.tar", tar(entries)),
        ("a.cab", cab(entries)),
    ] {
        let facts = seen(name, &archive);
        assert_found(&facts, What::TestVirus, &format!("{name}/bad.txt"));
        assert_eq!(facts.concerns, [Concern::TestVirus], "{facts:#?}");
        assert_eq!(facts.entries, 3, "{facts:#?}");
    }
    for (name, archive, inner) in [
        ("bad.txt.gz", gzip(&bad), "bad.txt"),
        ("bad.txt.bz2", bzip2(&bad), "bad.txt"),
        ("bad.txt.xz", xz(&bad), "bad.txt"),
        ("a.lzh", lzh(b"bad.txt", &bad), "bad.txt"),
        ("a.tgz", gzip(&tar(&[("bad.txt", &bad)])), "a.tar/bad.txt"),
    ] {
        let facts = seen(name, &archive);
        assert_found(&facts, What::TestVirus, &format!("{name}/{inner}"));
    }
    let nested = zip(&[(
        "inner.7z",
        &seven_zip(&[("x.lzh", &lzh(b"bad.txt", &bad))], None),
    )]);
    let facts = seen("a.zip", &nested);
    assert_found(&facts, What::TestVirus, "a.zip/inner.7z/x.lzh/bad.txt");
}

#[test]
fn each_file_is_told_by_its_own_name_and_digest_however_deep_it_lies() {
    let inner = zip(&[("dir/plan.dat", b"what is in it")]);
    let facts = seen("a.zip", &zip(&[("inner.zip", &inner), ("b.txt", b"b")]));
    let names: Vec<&str> = facts.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["a.zip", "inner.zip", "plan.dat", "b.txt"]);
    let leaves: Vec<&str> = facts
        .leaves
        .iter()
        .map(|leaf| leaf.sha256.as_str())
        .collect();
    let digests: Vec<&str> = facts
        .files
        .iter()
        .map(|file| file.sha256.as_str())
        .collect();
    assert_eq!(digests, leaves);
}

#[test]
fn what_is_not_in_the_message_is_noted() {
    let with = |kind: &str| {
        let raw = format!(
            "From: <a@x.example>\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\ntext\r\n"
        );
        inspect(raw.as_bytes(), Limits::default())
    };
    let facts = with("message/partial; id=\"a@b\"; number=2; total=3");
    let note = facts.first(Concern::Partial).unwrap();
    assert_eq!((note.what, note.detail.as_str()), (What::Partial, "2 of 3"));
    let facts = with("Message/External-Body; access-type=URL; URL=\"http://x.example/\"");
    let note = facts.first(Concern::ExternalBody).unwrap();
    assert_eq!(
        (note.what, note.detail.as_str()),
        (What::ExternalBody, "URL")
    );
    let facts = with("text/plain");
    assert!(facts.concerns.is_empty(), "{facts:?}");
}

#[test]
fn what_an_archive_is_called_hides_nothing() {
    let archive = zip(&[("bad.txt", &test_virus())]);
    for name in ["picture.jpg", "", "a.zip.", "a.7z"] {
        let facts = seen(name, &archive);
        assert!(
            facts.concerns.contains(&Concern::TestVirus),
            "{name}: {facts:#?}"
        );
    }
    // A desktop opens it by its name, and finds the archive behind what stands before.
    let before = [b"GIF89a".as_slice(), &archive].concat();
    let facts = seen("a.zip", &before);
    assert!(facts.concerns.contains(&Concern::TestVirus), "{facts:#?}");
    let none = seen("a.zip", b"no archive at all");
    assert_found(&none, What::Damaged, "a.zip");
}

#[test]
fn what_is_two_archives_is_looked_at_as_both() {
    let bad = test_virus();
    let good: &[Entry<'_>] = &[("a.txt", b"harmless")];
    let both = [tar(good), zip(&[("bad.txt", &bad)])].concat();
    let facts = seen("invoice.zip", &both);
    assert_found(&facts, What::TestVirus, "invoice.zip/bad.txt");
    assert_found(&facts, What::Damaged, "invoice.zip");
    let facts = seen("invoice.tar", &both);
    assert_eq!(facts.concerns, [Concern::Incomplete], "{facts:#?}");
    for (name, behind) in [
        ("a.7z", seven_zip(&[("bad.txt", &bad)], None)),
        ("a.lzh", lzh(b"bad.txt", &bad)),
        ("a.cab", cab(&[("bad.txt", &bad)])),
    ] {
        let facts = seen(name, &[zip(good), behind].concat());
        assert!(!facts.concerns.is_empty(), "{name}: {facts:#?}");
    }
    // Named wrongly alone, it holds nothing else.
    for (name, archive) in [
        ("a.zip", tar(good)),
        ("a.lzh", zip(good)),
        ("a.tar", gzip(b"x")),
    ] {
        let facts = seen(name, &archive);
        assert!(facts.concerns.is_empty(), "{name}: {facts:#?}");
    }
}

#[test]
fn of_two_files_of_one_name_in_a_cabinet_neither_is_passed_over() {
    let bad = test_virus();
    let facts = seen("a.cab", &cab(&[("a.txt", b"harmless"), ("a.txt", &bad)]));
    assert_found(&facts, What::Damaged, "a.cab/a.txt");
}

#[test]
fn pages_are_known_by_name_type_or_start() {
    let smuggler = "<script>b=new Blob([atob(d)]);a.download='x.zip'</script>";
    let late = format!("<!--{}-->{smuggler}", " ".repeat(5000));
    let wide: Vec<u8> = late.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for name in ["a.html", "a.SVG", "a.xhtml"] {
        for page in [late.as_bytes(), &wide] {
            let facts = seen(name, page);
            assert_eq!(facts.concerns, [Concern::Smuggling], "{name}: {facts:#?}");
        }
    }
    let text = seen("a.txt", late.as_bytes());
    assert!(text.concerns.is_empty(), "shown as it stands: {text:#?}");
    let head = "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n";
    let facts = inspect(format!("{head}{late}").as_bytes(), Limits::default());
    assert_eq!(facts.concerns, [Concern::Smuggling], "{facts:#?}");
    let facts = inspect(&mail("a.htm", &vec![b' '; 9 << 20]), Limits::default());
    assert_found(&facts, What::TooLarge, "a.htm");
}

#[test]
fn passwords_are_recognised_and_names_before_them_read() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file("見積.pdf.exe", options).unwrap();
    writer.write_all(b"MZ").unwrap();
    let mut archive = writer.finish().unwrap().into_inner();
    // The flag of encryption, in both headers (APPNOTE.TXT, section 4.4.4).
    for (mark, at) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let place = memchr::memmem::find(&archive, mark).unwrap();
        archive[place + at] |= 1;
    }
    let facts = seen("a.zip", &archive);
    assert_found(&facts, What::Encrypted, "a.zip/見積.pdf.exe");
    assert_found(&facts, What::DoubleExtension, "a.zip/見積.pdf.exe");
    let closed = facts.files.iter().find(|file| file.name == "見積.pdf.exe");
    assert_eq!(closed.unwrap().sha256, "", "{facts:#?}");

    let facts = seen("a.7z", &seven_zip(&[("a.txt", b"secret")], Some("word")));
    assert_eq!(facts.concerns, [Concern::Encrypted], "{facts:#?}");
}

#[test]
fn documents_with_code_are_told_as_documents() {
    let code = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 code";
    let entries: &[Entry<'_>] = &[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", b"<w/>"),
        ("word/vbaProject.bin", code),
    ];
    let facts = seen("会議.docm", &zip(entries));
    assert_eq!(facts.concerns, [Concern::Macros], "{facts:#?}");
    assert_eq!(facts.leaves.len(), 1, "its parts are its own matter");
    let facts = seen("会議.docx", &zip(entries.get(..2).unwrap()));
    assert!(facts.concerns.is_empty(), "{facts:#?}");
}

#[test]
fn names_of_japanese_windows_are_read() {
    let archive = zip(&[("xxxx.exe", b"MZ")]);
    // 請求 in Shift_JIS, as long as what it replaces.
    let name = b"\x90\xbf\x8b\x81";
    let mut renamed = archive;
    while let Some(at) = memchr::memmem::find(&renamed, b"xxxx") {
        renamed[at..at + 4].copy_from_slice(name);
    }
    let facts = seen("a.zip", &renamed);
    assert_found(&facts, What::Executable, "a.zip/請求.exe");
}

#[track_caller]
fn bounded(name: &str, data: &[u8], limits: Limits) -> Facts {
    let begun = Instant::now();
    let facts = inspect(&mail(name, data), limits);
    assert!(facts.concerns.contains(&Concern::Incomplete), "{facts:#?}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{name}");
    facts
}

#[test]
fn bombs_end_at_a_limit() {
    let limits = Limits {
        total_octets: 48 << 20,
        entry_octets: 8 << 20,
        ..Limits::default()
    };
    let zeros = vec![0; 20 << 20];
    let large = bounded("a.zip", &zip(&[("zeros", &zeros)]), limits);
    assert_found(&large, What::TooLarge, "a.zip/zeros");

    // Layers of copies: each holds the one below eight times.
    let mut layer = zip(&[("0", &zeros[..4 << 20])]);
    for _ in 0..4 {
        let copies: Vec<String> = (0..8).map(|number| format!("{number}.zip")).collect();
        let entries: Vec<Entry<'_>> = copies
            .iter()
            .map(|name| (name.as_str(), layer.as_slice()))
            .collect();
        layer = zip(&entries);
    }
    let many = bounded("a.zip", &layer, limits);
    assert!(many.octets <= limits.total_octets, "{many:#?}");

    let mut deep = b"the innermost".to_vec();
    for _ in 0..10 {
        deep = zip(&[("next.zip", &deep)]);
    }
    let deep = bounded("a.zip", &deep, Limits::default());
    assert!(
        deep.notes.iter().any(|note| note.what == What::TooDeep),
        "{deep:#?}"
    );

    let mut gz = zeros;
    for _ in 0..12 {
        gz = gzip(&gz);
    }
    bounded("a.gz", &gz, limits);

    let names: Vec<String> = (0..3000).map(|number| format!("{number}.txt")).collect();
    let entries: Vec<Entry<'_>> = names
        .iter()
        .map(|name| (name.as_str(), b"x".as_slice()))
        .collect();
    let facts = bounded("a.zip", &zip(&entries), limits);
    assert_eq!(facts.entries, 2000);
    let solid = seven_zip(&[("zeros", &vec![0; 40 << 20])], None);
    bounded("a.7z", &solid, limits);
}

/// One piece of packed data that many entries name: the archive is small, and what it holds is not.
#[test]
fn entries_that_overlap_are_unpacked_no_further_than_the_limit() {
    let limits = Limits {
        total_octets: 32 << 20,
        ..Limits::default()
    };
    let one = zip(&[("0000", &vec![0; 8 << 20])]);
    let central = memchr::memmem::find(&one, b"PK\x01\x02").unwrap();
    let end = memchr::memmem::find(&one, b"PK\x05\x06").unwrap();
    let mut bomb = one[..central].to_vec();
    let count = 1000_u16;
    for number in 0..count {
        let mut entry = one[central..end].to_vec();
        entry[46..50].copy_from_slice(format!("{number:04}").as_bytes());
        bomb.extend(entry);
    }
    let length = u32::try_from(bomb.len() - central).unwrap();
    let mut tail = one[end..].to_vec();
    tail[8..10].copy_from_slice(&count.to_le_bytes());
    tail[10..12].copy_from_slice(&count.to_le_bytes());
    tail[12..16].copy_from_slice(&length.to_le_bytes());
    bomb.extend(tail);
    let facts = bounded("a.zip", &bomb, limits);
    assert!(facts.octets <= limits.total_octets, "{facts:#?}");
}

#[test]
fn messages_within_messages_are_opened_however_they_are_packed() {
    let inner = mail("bad.txt", &test_virus());
    let attached = [b"Content-Type: message/rfc822\r\n\r\n".as_slice(), &inner].concat();
    let facts = inspect(&attached, Limits::default());
    assert!(facts.concerns.contains(&Concern::TestVirus), "{facts:#?}");
    let encoded = data_encoding::BASE64_MIME.encode(&inner);
    for head in [
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        "Content-Type: message/rfc822; name=\"x.txt\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        "Content-Type: application/octet-stream; name=\"x.eml\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    ] {
        let message = [head.as_bytes(), encoded.as_bytes()].concat();
        let facts = inspect(&message, Limits::default());
        assert!(
            facts.concerns.contains(&Concern::TestVirus),
            "{head}: {facts:#?}"
        );
    }
    let facts = seen("a.zip", &zip(&[("mail.eml", &inner)]));
    assert_found(&facts, What::TestVirus, "a.zip/mail.eml/bad.txt");
}

#[test]
fn files_in_the_text_are_files() {
    let mut text = "From: <a@x.example>\r\n\r\nbegin 644 bad.txt\r\n".to_owned();
    for line in test_virus().chunks(45) {
        let digit = |six: u32| char::from(u8::try_from(six & 63).unwrap() + b' ');
        text.push(digit(u32::try_from(line.len()).unwrap()));
        for group in line.chunks(3) {
            let octets = group.iter().zip([16, 8, 0]);
            let bits = octets.fold(0, |all, (octet, shift)| all | (u32::from(*octet) << shift));
            text.extend([18, 12, 6, 0].map(|shift| digit(bits >> shift)));
        }
        text.push_str("\r\n");
    }
    text.push_str("`\r\nend\r\n");
    let facts = inspect(text.as_bytes(), Limits::default());
    assert_found(&facts, What::TestVirus, "part 1/bad.txt");
}

#[test]
fn messages_without_end_are_looked_at_to_a_limit() {
    let mut parts = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    for _ in 0..20_000 {
        parts.extend_from_slice(b"--b\r\n\r\nx\r\n");
    }
    let facts = inspect(&parts, Limits::default());
    assert!(
        facts.notes.iter().any(|note| note.what == What::TooMany),
        "{facts:#?}"
    );

    let header = [b"X: y\r\n".repeat(100_000), b"\r\nbody".to_vec()].concat();
    let facts = inspect(&header, Limits::default());
    assert_found(&facts, What::TooLarge, "part 1");

    let mut deep = Vec::new();
    for number in 0..200 {
        deep.extend_from_slice(
            format!("Content-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n")
                .as_bytes(),
        );
    }
    let facts = inspect(&deep, Limits::default());
    assert!(
        facts.notes.iter().any(|note| note.what == What::TooDeep),
        "{facts:#?}"
    );
}

#[test]
fn there_is_no_time_for_ever() {
    let limits = Limits {
        time: Duration::ZERO,
        ..Limits::default()
    };
    let facts = bounded("a.txt", b"text", limits);
    assert_eq!(facts.notes.first().unwrap().what, What::TooSlow);
}

/// Found by chance: the library for cabinets panics over some of these.
#[test]
fn a_cabinet_that_its_library_panics_over_is_survived() {
    let whole = cab(&[("a.txt", b"some text"), ("b", b"x")]);
    for place in 0..whole.len() {
        let mut broken = whole.clone();
        for (to, from) in broken
            .iter_mut()
            .skip(place)
            .zip([185, 0, 0, 0, 0, 0, 1, 1, 1])
        {
            *to = from;
        }
        let facts = seen("a.cab", &broken);
        assert!(facts.entries > 0, "{place}: {facts:?}");
    }
}

proptest! {
    /// Whatever is broken in an archive, something is said of it in the end.
    #[test]
    fn broken_archives_are_survived(
        kind in 0..7_usize,
        at in any::<proptest::sample::Index>(),
        octets in proptest::collection::vec(any::<u8>(), 1..16),
        cut in any::<proptest::sample::Index>(),
    ) {
        let entries: &[Entry<'_>] = &[("a.txt", b"some text some text some text"), ("b", b"x")];
        let mut archive = match kind {
            0 => zip(entries),
            1 => seven_zip(entries, None),
            2 => tar(entries),
            3 => cab(entries),
            4 => lzh(b"a", b"text"),
            5 => bzip2(b"text"),
            _ => xz(b"text"),
        };
        let place = at.index(archive.len());
        for (to, from) in archive.iter_mut().skip(place).zip(octets) {
            *to = from;
        }
        archive.truncate(cut.index(archive.len()) + 1);
        let limits = Limits { total_octets: 1 << 20, ..Limits::default() };
        let message = mail("a.txt", &archive);
        let facts = inspect(&message, limits);
        prop_assert!(facts.octets <= limits.total_octets);
        prop_assert!(in_place(&message, limits).is_none_or(|said| said == facts));
    }
}

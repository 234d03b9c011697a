//! An auditor is given a directory, and finds out with the public key alone, far from the site, whether it is what was written. Whatever
//! is done to it, two programs that share nothing name it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::Value;
use support::{Letter, Program, Site};
use trail::note::VerifierKey;

/// Kakitome itself, without any site.
fn offline(bundle: &Path, key: &str, more: &[&str]) -> Program {
    Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .words(["audit", "verify", "--key", key, "--offline"])
        .word(bundle)
        .words(more)
}

/// The program that lies in the bundle itself, or the one in `tools` if that was changed.
fn other(bundle: &Path, key: &str, more: &[&str]) -> Program {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_trail.py");
    Program::new("python3")
        .word(script)
        .words(["--key", key])
        .words(more)
        .word(bundle)
}

/// Both find it whole.
#[track_caller]
fn is_whole(bundle: &Path, key: &str, more: &[&str]) -> [String; 2] {
    [offline(bundle, key, more), other(bundle, key, more)].map(|program| {
        let told = program.succeeds();
        assert!(told.contains("is what was written"), "{told}");
        told
    })
}

/// Both find that it is not, and say so in these words.
#[track_caller]
fn is_found(bundle: &Path, key: &str, wanted: &[&str]) {
    for program in [offline(bundle, key, &[]), other(bundle, key, &[])] {
        let told = program.fails();
        for words in wanted {
            assert!(told.contains(words), "{words} in {told}");
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

fn letters(site: &Site, count: usize) {
    let person = site.person(&format!("p{}", site.events(&[]).len()));
    for n in 0..count {
        let letter = Letter::new(
            &format!("letter-{n}"),
            "friend@elsewhere.example",
            &person.address,
        );
        let sent = site
            .smtp()
            .send(&letter.from, &[&letter.to], &letter.content());
        assert_eq!(sent.unwrap().code, 250);
    }
}

/// Every file of a bundle, by its name.
fn files(bundle: &Path) -> BTreeSet<String> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![bundle.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path();
                let name = path.strip_prefix(bundle).unwrap();
                found.insert(name.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// Changes one octet in the middle of a file, and gives what was there.
fn change_one(path: &Path) -> Vec<u8> {
    let before = fs::read(path).unwrap();
    let mut after = before.clone();
    match after.len() {
        0 => after.push(b'x'),
        length => after[length / 2] ^= 1,
    }
    fs::write(path, &after).unwrap();
    before
}

/// A copy elsewhere, under another name.
fn carried_off(site: &Site, bundle: &Path) -> PathBuf {
    let elsewhere = site.beside("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    let copy = elsewhere.join("from the auditor");
    if copy.exists() {
        fs::remove_dir_all(&copy).unwrap();
    }
    Program::new("cp")
        .word("-r")
        .word(bundle)
        .word(&copy)
        .succeeds();
    copy
}

/// Seals a volume that is kept for no time at all, as the server's own program does it.
fn seal_for_no_time(site: &Path) {
    let forget = "import sqlite3, sys\n\
                  handle = sqlite3.connect(sys.argv[1])\n\
                  handle.execute(\"DELETE FROM meta WHERE name = 'retention'\")\n\
                  handle.commit()\n";
    let forget = Program::new("python3").words(["-c", forget]);
    forget.word(site.join("store.db")).succeeds();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = world::World::system();
        let store = store::Store::open(site, &store::Options::default(), world).unwrap();
        let seal = store::tree::Seal {
            before: None,
            retain_years: 0,
            by: "sato".into(),
        };
        store.seal_volume(seal).await.unwrap().unwrap();
        store.close().await;
    });
}

#[test]
fn a_bundle_has_what_an_auditor_needs_and_one_octet_that_is_changed_is_found() {
    let mut site = Site::served("city.example");
    letters(&site, 3);
    site.give(&["clause", "check", "4.2-3"]);
    // Its time is over as soon as it is sealed, which no setting allows: as an officer of another century would find it.
    site.stop();
    seal_for_no_time(site.path());
    site.serve();
    site.give(&[
        "audit",
        "decide",
        "1",
        "--erase",
        "--reason",
        "its time is over",
    ]);
    site.give(&["audit", "erase-due"]);
    letters(&site, 3);
    // One person did both, as a site of one may; each event says so, and by which role.
    for kind in ["audit.erasing", "audit.erased"] {
        let event = site.events(&["--kind", kind]).remove(0);
        assert_eq!(event["detail"]["single_person"], true, "{event}");
        assert!(event["detail"]["acting_role"].is_string(), "{event}");
    }
    site.give(&["clause", "check", "4.2-3"]);
    let holder = site.person("hanako");
    site.give(&["incident", "open", "--kind", "credential", &holder.address]);
    let witness = site.beside("witness.txt");
    let witness = witness.to_str().unwrap();
    site.give(&["audit", "checkpoint", "--to", witness]);

    let place = site.beside("bundle");
    let words = ["audit", "bundle", "--to", place.to_str().unwrap()];
    let made = site.give(&words).pop().unwrap();
    assert_eq!(made["erased_volumes"], 1, "{made}");
    assert_eq!(made["left_out"], 0, "{made}");
    assert!(made["events"].as_u64().unwrap() > 30, "{made}");
    let told = site.events(&["--kind", "audit.bundled"]).pop().unwrap();
    assert_eq!(told["subject"], "all");
    assert_eq!(told["detail"]["manifest"], made["manifest"]);
    assert!(site.refused(&words).contains("empty directory"));
    let within = site.path().join("bundle");
    site.refused(&["audit", "bundle", "--to", within.to_str().unwrap()]);
    let nowhere = site.beside("no/where/bundle");
    site.refused(&["audit", "bundle", "--to", nowhere.to_str().unwrap()]);
    let beside = fs::read_dir(site.beside("")).unwrap();
    let mut beside = beside.map(|entry| entry.unwrap().file_name());
    assert!(!beside.any(|name| name.to_string_lossy().contains("unfinished")));

    let copy = carried_off(&site, &place);
    let key = text(&made, "key").to_owned();
    let private = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0;
    assert!(private(&place) && private(&place.join("evidence")) && private(&place.join("key.txt")));
    site.stop();
    let told = is_whole(&copy, &key, &["--witness", witness]);
    for told in &told {
        assert!(
            told.contains("volume 1, ") && told.contains("was erased"),
            "{told}"
        );
    }
    assert!(offline(&copy, "x", &[]).fails().contains("name+id+key"));
    // By the program that lies within, in the directory itself.
    let own = Program::new("python3").within(&copy);
    own.words(["verify_trail.py", "--key", &key, "."])
        .succeeds();
    let names = files(&copy);
    // Nothing was left behind by what ran there.
    is_whole(&copy, &key, &[]);

    let read = |name: &str| fs::read_to_string(copy.join(name)).unwrap();
    let clauses: Vec<Value> = serde_json::from_str(&read("clauses.json")).unwrap();
    assert!(clauses.len() > 90, "{}", clauses.len());
    for clause in &clauses {
        let id = text(clause, "id");
        for file in ["clause.md", "clause.json", "events.tsv"] {
            assert!(
                names.contains(&format!("evidence/{id}/{file}")),
                "{id} {file}"
            );
        }
        assert!(!text(clause, "why").is_empty() && !text(clause, "looked_at").is_empty());
    }
    let incidents: Vec<Value> = serde_json::from_str(&read("incidents.json")).unwrap();
    assert_eq!(incidents[0]["kind"], "credential");
    let number = incidents[0]["number"].to_string();
    assert!(read(&format!("incidents/{number}.md")).contains("事案"));
    assert!(
        fs::read(copy.join("regulation/ja/regulation.pdf"))
            .unwrap()
            .starts_with(b"%PDF")
    );
    assert!(
        names
            .iter()
            .filter(|name| name.starts_with("oscal/"))
            .count()
            >= 4
    );
    assert!(
        read("README.md").contains("Volume 1 of the trail")
            && read("README.ja.md").contains("第 1 巻")
    );
    assert!(read("erased/volume-1.txt").contains("kakitome erasure certificate 1"));

    // One octet in each file, some files at a time; that a file alone is found, the other story shows.
    let verifier: VerifierKey = key.parse().unwrap();
    let changed_signature = change_one(&copy.join("bundle.txt"));
    let error = trail::bundle::verify(&copy, &verifier, &[], |_| {}).unwrap_err();
    assert!(error.to_string().contains("bundle.txt"), "{error}");
    fs::write(copy.join("bundle.txt"), changed_signature).unwrap();
    let others: Vec<&String> = names.iter().filter(|name| *name != "bundle.txt").collect();
    for some in others.chunks(40) {
        let before: Vec<Vec<u8>> = some
            .iter()
            .map(|name| change_one(&copy.join(name)))
            .collect();
        let report = trail::bundle::verify(&copy, &verifier, &[], |_| {}).unwrap();
        let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        let files = faults
            .iter()
            .filter_map(|fault| fault.strip_prefix("the file "));
        let named: BTreeSet<&str> = files.filter_map(|fault| fault.split(' ').next()).collect();
        let wanted: BTreeSet<&str> = some.iter().map(|name| name.as_str()).collect();
        assert_eq!(named, wanted, "{faults:?}");
        for (name, before) in some.iter().zip(before) {
            fs::write(copy.join(name), before).unwrap();
        }
    }
    is_whole(&copy, &key, &[]);
}

#[test]
fn evidence_of_one_clause_is_proved_and_whatever_is_done_to_it_is_named_by_both() {
    let site = Site::served("city.example");
    letters(&site, 1);
    // Each search is evidence of who read the trail.
    for _ in 0..6 {
        site.events(&["--kind", "smtp.accepted"]);
    }
    let place = site.beside("evidence");
    let words = [
        "clause",
        "evidence",
        "8.2-1-a",
        "--to",
        place.to_str().unwrap(),
    ];
    let made = site.give(&words).pop().unwrap();
    let key = text(&made, "key").to_owned();
    assert_eq!(made["about"], "clause 8.2-1-a");
    let listed = site.give(&["clause", "evidence", "8.2-1-a"]);
    assert!(
        listed.iter().any(|one| one["what"] == "event"),
        "{listed:?}"
    );
    // Fewer than there are: told, not left out silently.
    let few = site.beside("few");
    let most = [
        "--to",
        few.to_str().unwrap(),
        "--most",
        "2",
        "--since",
        "2020-01-01",
    ];
    let told = site.give(&[&["clause", "evidence", "8.2-1-a"][..], &most].concat());
    let row = told.last().unwrap();
    assert_eq!(row["events"], 2, "{told:?}");
    let left = row["left_out"].as_u64().unwrap();
    assert!(left >= 5, "{told:?}");
    for told in is_whole(&few, &key, &[]) {
        assert!(
            told.contains(&format!("{left} events were left out")),
            "{told}"
        );
    }
    let readme = fs::read_to_string(few.join("README.md")).unwrap();
    assert!(
        readme.contains(&format!("{left} earlier events")),
        "{readme}"
    );
    let before = site.beside("before");
    let words = ["--to", before.to_str().unwrap(), "--until", "2020-01-01"];
    let told = site.give(&[&["clause", "evidence", "8.2-1-a"][..], &words].concat());
    assert_eq!(told.last().unwrap()["events"], 0, "{told:?}");
    is_whole(&before, &key, &[]);
    site.refused(&[
        "clause",
        "evidence",
        "99.9-9",
        "--to",
        site.beside("x").to_str().unwrap(),
    ]);
    let foreign = Site::served("elsewhere.example");
    let foreign_key = foreign.give(&["audit", "checkpoint"]).pop().unwrap();
    drop(foreign);

    let copy = carried_off(&site, &place);
    is_whole(&copy, &key, &[]);
    for name in files(&copy) {
        let before = change_one(&copy.join(&name));
        let words = match name.as_str() {
            "bundle.txt" => "signature".to_owned(),
            name => format!("the file {name} is not the one that was signed"),
        };
        is_found(&copy, &key, &[&words]);
        fs::write(copy.join(&name), before).unwrap();
    }
    let events = "evidence/8.2-1-a/events.tsv";
    let whole = fs::read_to_string(copy.join(events)).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    assert!(lines.len() >= 6, "{whole}");
    let number = |line: &str| {
        let event: Value = serde_json::from_str(line.splitn(4, '\t').nth(3).unwrap()).unwrap();
        event["id"].to_string()
    };
    let place_of = |line: &str| line.split('\t').next().unwrap().to_owned();
    let written = |lines: &[String]| fs::write(copy.join(events), lines.join("\n") + "\n").unwrap();
    let own = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    let (id, at) = (number(lines[2]), place_of(lines[2]));
    let is_not = format!("event {id} is not what was written at place {at}");

    // An event is changed.
    let mut changed = own(&lines);
    changed[2] = changed[2].replace("audit.read", "audit.raed");
    written(&changed);
    is_found(&copy, &key, &[events, &is_not]);
    // It has the proof of another.
    let (other_one, mine) = (lines[3].splitn(4, '\t').nth(3).unwrap(), lines[2]);
    let mut changed = own(&lines);
    let mut fields: Vec<&str> = mine.splitn(4, '\t').collect();
    fields[3] = other_one;
    changed[2] = fields.join("\t");
    written(&changed);
    let is_not = format!(
        "event {} is not what was written at place {at}",
        number(lines[3])
    );
    is_found(&copy, &key, &[&is_not]);
    // It is put in another's place.
    let mut changed = own(&lines);
    changed.swap(2, 3);
    written(&changed);
    let moved = format!("event {id}, at place {at}, stands where it cannot");
    is_found(&copy, &key, &[&moved]);
    // It is removed.
    let mut changed = own(&lines);
    changed.remove(2);
    written(&changed);
    let fewer = format!(
        "the file {events} has {} events instead of {}",
        lines.len() - 1,
        lines.len()
    );
    is_found(&copy, &key, &[&fewer]);
    fs::write(copy.join(events), &whole).unwrap();
    // A file is removed, or added.
    let page = copy.join("evidence/8.2-1-a/clause.md");
    let before = fs::read(&page).unwrap();
    fs::remove_file(&page).unwrap();
    is_found(
        &copy,
        &key,
        &["the file evidence/8.2-1-a/clause.md is missing"],
    );
    fs::write(&page, before).unwrap();
    fs::write(copy.join("evidence/more.txt"), "").unwrap();
    is_found(
        &copy,
        &key,
        &["the file evidence/more.txt is not named in the manifest"],
    );
    fs::remove_file(copy.join("evidence/more.txt")).unwrap();
    // A checkpoint is replaced by one that another signed.
    let before = fs::read(copy.join("checkpoint.txt")).unwrap();
    fs::write(
        copy.join("checkpoint.txt"),
        text(&foreign_key, "checkpoint"),
    )
    .unwrap();
    is_found(
        &copy,
        &key,
        &["is false: checkpoint.txt: it bears no signature of"],
    );
    fs::write(copy.join("checkpoint.txt"), before).unwrap();
    is_whole(&copy, &key, &[]);
    // All of it is that of another trail.
    is_found(
        &copy,
        text(&foreign_key, "key"),
        &["it bears no signature of"],
    );
}

#[test]
fn who_may_not_give_out_the_trail_is_given_no_bundle() {
    let site = Site::served("city.example");
    site.person("tanaka");
    let me = support::site::me();
    let (bundle, evidence) = (site.beside("bundle"), site.beside("evidence"));
    let [bundle, evidence] = [&bundle, &evidence].map(|path| path.to_str().unwrap());
    for role in ["administrator", "system-officer", "security-officer"] {
        site.give(&["person", "role", "grant", "tanaka", role]);
    }
    for role in ["administrator", "system-officer"] {
        site.give(&["person", "role", "revoke", &me, role]);
    }
    // A security officer reads the trail; who gives it out are others.
    let why = site.refused(&["audit", "bundle", "--to", bundle]);
    assert!(
        why.contains("role of administrator or system-officer"),
        "{why}"
    );
    site.give(&["clause", "evidence", "8.2-1-a", "--to", evidence]);
    site.give(&["person", "role", "revoke", &me, "security-officer"]);
    let another = site.beside("another");
    let why = site.refused(&[
        "clause",
        "evidence",
        "8.2-1-a",
        "--to",
        another.to_str().unwrap(),
    ]);
    assert!(why.contains("role"), "{why}");
    assert!(!Path::new(bundle).exists() && !another.exists());
}

#[test]
fn a_trail_that_was_changed_gives_no_bundle_and_says_where() {
    let mut site = Site::served("city.example");
    for _ in 0..3 {
        site.events(&["--kind", "smtp.accepted"]);
    }
    site.give(&["audit", "checkpoint"]);
    let victim = site.events(&["--kind", "audit.read"])[1]["id"].to_string();
    site.stop();
    let change = format!(
        "import sqlite3, sys\n\
         handle = sqlite3.connect(sys.argv[1])\n\
         handle.execute(\"UPDATE event SET actor = 'person:nobody' WHERE id = {victim}\")\n\
         assert handle.total_changes == 1\n\
         handle.commit()\n"
    );
    let change = Program::new("python3").words(["-c", &change]);
    change.word(site.path().join("store.db")).succeeds();
    site.serve();
    let place = site.beside("evidence");
    let words = [
        "clause",
        "evidence",
        "8.2-1-a",
        "--to",
        place.to_str().unwrap(),
    ];
    let why = site.refused(&words);
    assert!(
        why.contains(&format!("event {victim} is not what was written")),
        "{why}"
    );
    assert!(why.contains("audit verify"), "{why}");
    let beside = fs::read_dir(site.beside("")).unwrap();
    let names = beside.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| name.contains("evidence")).collect();
    assert_eq!(left, [""; 0]);
    assert!(site.events(&["--kind", "audit.bundled"]).is_empty());
}

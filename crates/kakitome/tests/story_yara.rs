//! A site's own YARA rules: in force without a restart, held against all that is in a message, and nothing but what compiles
//! (clauses 5.2(3) to 5.2(5)).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, os::unix::process::ExitStatusExt, process::Command, thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{Person, Program, Site, site, until};

const SOON: Duration = Duration::from_secs(40);
const YARA: &str = env!("CARGO_BIN_EXE_kakitome-yara");
const METRICS: u16 = site::PORT_BASE + 90;

/// A rule that knows messages and files with these words.
fn rule(name: &str, tags: &str, words: &str) -> String {
    format!("rule {name}{tags} {{ strings: $a = \"{words}\" condition: $a }}\n")
}

/// Puts rules in place, as an operator should: beside, and then under their name.
fn write(site: &Site, rules: &str) {
    let at = site.path().join("rules");
    fs::write(at.join("site.new"), rules).unwrap();
    fs::rename(at.join("site.new"), at.join("site.yar")).unwrap();
}

struct Story {
    site: Site,
    tanaka: Person,
}

impl Story {
    fn new(rules: &str, settings: &[&str]) -> Self {
        let mut site = Site::new("city.example");
        site.set("screening.malware.yara", "rules = [\"rules\"]");
        for line in settings {
            site.set("screening.malware.yara", line);
        }
        fs::create_dir(site.path().join("rules")).unwrap();
        write(&site, rules);
        site.serve();
        let tanaka = site.person("tanaka");
        Self { site, tanaka }
    }

    fn write(&self, rules: &str) {
        write(&self.site, rules);
    }

    /// Hands a message over by swaks, which tells all that was said.
    fn hand(&self, words: &str) -> String {
        let data = format!(
            "From: x@else.example\nTo: {}\nSubject: s\n\n{words}\n",
            self.tanaka.address
        );
        self.swaks(&["--data", &data])
    }

    fn swaks(&self, more: &[&str]) -> String {
        let place = self.site.address.to_string();
        let port = site::SMTP.to_string();
        let program = Program::new("swaks")
            .words([
                "--server",
                &place,
                "--port",
                &port,
                "--from",
                "x@else.example",
            ])
            .words(["--to", self.tanaka.address.as_str()])
            .words(more.iter().copied());
        program.run().text()
    }

    #[track_caller]
    fn refused(&self, said: &str, words: &str) -> Value {
        assert!(said.contains("554 5.7.1") && said.contains(words), "{said}");
        self.explain(said)
    }

    #[track_caller]
    fn taken(&self, said: &str) {
        assert!(
            said.contains("250 2.0.0") || said.contains("Accepted as"),
            "{said}"
        );
    }

    /// `screening explain` of the message that this was said of.
    #[track_caller]
    fn explain(&self, said: &str) -> Value {
        let mut replies = said
            .lines()
            .filter(|line| line.starts_with('<') && !line.starts_with("<-  221"));
        let word = replies
            .next_back()
            .unwrap()
            .split_whitespace()
            .last()
            .unwrap();
        let id = word.trim_matches(['(', ')']);
        self.site.give(&["screening", "explain", id]).remove(0)
    }

    fn rules_events(&self) -> Vec<Value> {
        self.site.events(&["--kind", "scanner.rules"])
    }
}

#[test]
fn a_rule_that_is_added_catches_the_next_message_without_a_restart() {
    let story = Story::new(&rule("first", "", "the first words"), &["watch = \"1s\""]);
    let told = story.refused(&story.hand("the first words"), "YARA rule first");
    let said = &told["evidence"]["malware"]["yara"];
    assert_eq!(
        (said["result"].as_str(), said["count"].as_u64()),
        (Some("found"), Some(2)),
        "{told}"
    );
    assert_eq!(said["matches"][0]["namespace"], "site", "{told}");
    assert_eq!(told["verdict"]["because"], "malware-found", "{told}");
    assert_eq!(told["same_today"], true, "{told}");
    story.taken(&story.hand("other words"));

    let both = rule("first", "", "the first words") + &rule("second", "", "other words");
    story.write(&both);
    until("the new rule catches", SOON, || {
        story
            .hand("other words")
            .contains("YARA rule second")
            .then_some(())
    });
    let events = story.rules_events();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[1]["detail"]["rules"], 3, "{events:?}");
    assert_ne!(events[0]["detail"]["digest"], events[1]["detail"]["digest"]);

    // A fault changes nothing, and is told with its place.
    story.write(&(both + "rule third {\n  condition: nothing\n}\n"));
    until("the fault is told", SOON, || {
        (story.rules_events().len() == 3).then_some(())
    });
    let events = story.rules_events();
    assert_eq!(events[2]["result"], "failure", "{events:?}");
    let fault = events[2]["detail"]["faults"][0].as_str().unwrap();
    assert!(fault.contains("rules/site.yar:4:14: "), "{fault}");
    assert_eq!(
        events[2]["detail"]["in_force"], events[1]["detail"]["digest"],
        "{events:?}"
    );
    story.refused(&story.hand("other words"), "YARA rule second");
    let attention = story.site.give(&["status"])[0]["attention"].to_string();
    assert!(attention.contains("rules/site.yar:4:14"), "{attention}");
    let checked = story
        .site
        .command(&["check", story.site.path().to_str().unwrap()]);
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.contains("rules/site.yar:4:14"), "{checked}");
    let place = format!("http://{}:{METRICS}/metrics", story.site.address);
    let metrics = Program::new("curl").words(["-sS", &place]).succeeds();
    for line in [
        "kakitome_yara_rules 3",
        "kakitome_yara_rules_faults 1",
        "kakitome_scans_total{scanner=\"yara\",result=\"clean\"}",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
fn rules_see_what_is_packed_and_tags_are_the_sites_to_decide() {
    let rules = rule("bad", "", "very bad words")
        + &rule("odd", " : suspicious", "odd words")
        + &rule("seen", " : info", "plain words");
    let mut story = Story::new(
        &rules,
        &[
            "tags = { suspicious = \"mark\", info = \"accept\" }",
            "watch = \"0s\"",
        ],
    );
    let script = "import io, sys, zipfile\nouter, inner = io.BytesIO(), io.BytesIO()\n\
                  with zipfile.ZipFile(inner, 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('a.txt', 'x' * 999 + 'very bad words')\n\
                  with zipfile.ZipFile(outer, 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('inner.zip', inner.getvalue())\n\
                  open(sys.argv[1], 'wb').write(outer.getvalue())";
    let zip = story.site.beside("outer.zip");
    let zip = zip.to_str().unwrap();
    Program::new("/usr/bin/python3")
        .words(["-I", "-c", script, zip])
        .succeeds();
    let said = story.swaks(&[
        "--attach-type",
        "application/zip",
        "--attach",
        &format!("@{zip}"),
    ]);
    let told = story.refused(&said, "YARA rule bad in outer.zip/inner.zip/a.txt");
    let path = &told["evidence"]["malware"]["yara"]["matches"][0]["path"];
    assert_eq!(path, "outer.zip/inner.zip/a.txt", "{told}");

    for (words, because) in [("odd words", "yara-rule"), ("plain words", "yara-rule")] {
        let said = story.hand(words);
        story.taken(&said);
        assert_eq!(story.explain(&said)["verdict"]["because"], because);
    }
    let mut session = story.site.imap(&story.tanaka);
    assert_eq!((session.select("INBOX"), session.select("Junk")), (1, 1));
    // Only a reload reads them here.
    story.write(&rule("late", "", "late words"));
    story.taken(&story.hand("late words"));
    story.site.server().signal(Signal::HUP);
    until("the rules are read again", SOON, || {
        story
            .hand("late words")
            .contains("YARA rule late")
            .then_some(())
    });

    // The scanners' test file is known by a rule of our own.
    let caught = story.site.give(&["screening", "canary"]).remove(0);
    assert!(caught["caught"].to_string().contains("yara"), "{caught}");
}

#[test]
fn a_restored_site_has_its_rules_and_its_return_path_key() {
    let beside = support::place();
    let absent = beside.path().join("elsewhere.yar");
    fs::write(&absent, rule("elsewhere", "", "words of elsewhere")).unwrap();
    let mut site = Site::new("city.example");
    let rules = format!("rules = [\"rules\", {:?}]", absent.display().to_string());
    site.set("screening.malware.yara", &rules);
    site.set("return_path", "enabled = true");
    fs::create_dir(site.path().join("rules")).unwrap();
    write(&site, &rule("bad", "", "bad words"));
    site.serve();
    let tanaka = site.person("tanaka");
    let mut story = Story { site, tanaka };
    story.taken(&story.hand("good words"));
    story.refused(&story.hand("bad words"), "YARA rule bad");

    let backup = story.site.beside("backup");
    let told = story.site.give(&["backup", backup.to_str().unwrap()]);
    let outside = absent.display().to_string();
    assert_eq!(told[0]["not_in_backup"], serde_json::json!([outside]));
    let key = |site: &Site| fs::read(site.path().join("keys/return-path.key")).unwrap();
    let before = key(&story.site);
    story.site.stop();
    let mut restored = story.site.restored(&backup, &["--keep-uid-validity"]);
    restored.serve();
    assert_eq!(key(&restored), before);
    let story = Story {
        site: restored,
        tanaka: story.tanaka,
    };
    story.taken(&story.hand("good words again"));
    story.refused(&story.hand("bad words"), "YARA rule bad");
    assert_eq!(story.site.imap(&story.tanaka).select("INBOX"), 2);
    // Rules that were there when the site went on and are not now are told of before a restore, not by mail that is put off.
    fs::remove_file(backup.join("rules/site.yar")).unwrap();
    fs::remove_dir(backup.join("rules")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kakitome"))
        .arg("-C")
        .arg(beside.path().join("site"))
        .args(["restore", backup.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("rules is missing"), "{said}");
}

/// The processes of this site that match rules.
fn processes(story: &mut Story) -> Vec<i32> {
    let parent = story.site.server().pid().as_raw_nonzero().to_string();
    let listed = Program::new("pgrep")
        .words(["-P", &parent, "-f", "kakitome-yara"])
        .run()
        .text();
    listed
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect()
}

#[test]
fn a_process_that_is_killed_in_a_message_puts_it_off_and_the_next_is_looked_at() {
    // So slow that there is time to kill it.
    let slow = "rule slow { strings: $a = \"slow words\" condition: $a and for all i in (0..100000) : (for all j in (0..100000) : (i + j >= 0)) }\n";
    let mut story = Story::new(
        &(slow.to_owned() + &rule("bad", "", "bad words")),
        &["scan_time = \"30s\"", "processes = 1"],
    );
    let [process] = processes(&mut story).try_into().unwrap();
    let said = thread::scope(|scope| {
        let handing = scope.spawn(|| story.hand("slow words"));
        let busy = format!("/proc/{process}/stat");
        let ticks = || {
            let text = fs::read_to_string(&busy).unwrap();
            text.split_whitespace()
                .nth(13)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        };
        let before = ticks();
        until("it is at work", SOON, || {
            (ticks() > before + 50).then_some(())
        });
        kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
        handing.join().unwrap()
    });
    assert!(
        said.contains("451") && said.contains("cannot be scanned for malware now"),
        "{said}"
    );
    let told = story.explain(&said);
    assert_eq!(told["verdict"]["because"], "scanner-down", "{told}");
    assert_eq!(
        told["evidence"]["malware"]["yara"]["result"], "failed",
        "{told}"
    );
    story.taken(&story.hand("other words"));
    story.refused(&story.hand("bad words"), "YARA rule bad");
}

#[test]
fn a_rule_that_takes_too_long_ends_and_the_message_is_judged() {
    let slow = "rule slow { condition: for all i in (0..100000) : (for all j in (0..100000) : (i + j >= 0)) }\n";
    let story = Story::new(slow, &["scan_time = \"2s\""]);
    let said = story.hand("words");
    story.taken(&said);
    let told = story.explain(&said);
    assert_eq!(told["verdict"]["because"], "incomplete", "{told}");
    let incomplete = told["evidence"]["malware"]["yara"]["incomplete"]
        .as_str()
        .unwrap();
    assert!(incomplete.contains("took longer"), "{told}");
}

#[test]
fn who_sends_what_a_rule_knows_from_inside_is_shut_out() {
    let story = Story::new(&rule("bad", "", "bad words"), &[]);
    let mut session = support::smtp::Session::submission(&story.site, &story.tanaka);
    let content = format!(
        "From: <{}>\r\nSubject: s\r\n\r\nbad words\r\n",
        story.tanaka.address
    );
    let refused = session
        .send(
            &story.tanaka.address,
            &["y@else.example"],
            content.as_bytes(),
        )
        .unwrap();
    assert_eq!(refused.code, 554, "{refused:?}");
    let incidents = story.site.give(&["incident", "list"]);
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    let opened = story.site.events(&["--kind", "incident.opened"]);
    assert!(
        opened[0].to_string().contains("YARA rule bad"),
        "{opened:?}"
    );
    let port = site::SUBMISSIONS.to_string();
    let place = story.site.address.to_string();
    let login = Program::new("swaks")
        .words([
            "--server", &place, "--port", &port, "--tlsc", "--auth", "PLAIN",
        ])
        .words([
            "--auth-user",
            story.tanaka.address.as_str(),
            "--auth-password",
            story.tanaka.password.as_str(),
        ])
        .words(["--quit-after", "AUTH"])
        .run()
        .text();
    assert!(login.contains("535"), "{login}");
}

/// What a process that is ready cannot do; that it can match shows that this can fail.
#[test]
fn a_process_that_matches_has_no_rights() {
    let ended = |deed: &str| {
        Command::new(YARA)
            .args(["try", deed])
            .output()
            .unwrap()
            .status
    };
    assert!(ended("match").success() && ended("write").success());
    for deed in ["file", "socket", "process", "thread"] {
        assert_eq!(ended(deed).signal(), Some(Signal::SYS.as_raw()), "{deed}");
    }
    assert!(!ended("memory").success());
}

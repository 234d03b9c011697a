//! `kakitome demo` makes a site to try, whose printed lines work, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{process::Command, time::Duration};

use rustix::process::Signal;
use support::{Process, Program, place, until};

const READY: Duration = Duration::from_secs(60);

/// A block of ports for this run: the demo listens on 127.0.0.1, so that its ports must differ.
fn port_base() -> u16 {
    let taken = |base: u16| {
        [25, 465, 587, 110, 995, 143, 993, 90]
            .iter()
            .any(|port| std::net::TcpListener::bind(("127.0.0.1", base + port)).is_err())
    };
    let first = 24_000 + u16::try_from(std::process::id() % 15).unwrap() * 500;
    (0..20)
        .map(|step| first + step * 2000 % 30_000)
        .find(|base| !taken(*base) && !taken(base + 1000))
        .expect("a free block of ports")
}

#[test]
fn its_lines_work_and_it_leaves_nothing_behind() {
    let place = place();
    let base = port_base();
    let mut demo = Process::start(
        "the demo",
        Command::new(env!("CARGO_BIN_EXE_kakitome"))
            .args(["demo", "--port-base", &base.to_string()])
            .env("TMPDIR", place.path())
            .env("KAKITOME_LOG", "warn"),
        &place.path().join("log"),
    );
    until("the demo is ready", READY, || {
        assert!(demo.is_running(), "the demo ended: {}", demo.printed());
        demo.printed().contains("^C ends it.").then_some(())
    });
    let printed = demo.printed();
    for person in [
        "tanaka@city.example",
        "suzuki@city.example",
        "yamada@partner.example",
    ] {
        assert!(printed.contains(person), "{printed}");
    }
    let lines: Vec<&str> = printed.lines().map(str::trim).collect();
    let shell = |line: &str| Program::new("sh").words(["-c", line]).succeeds();
    let read = lines
        .iter()
        .find(|line| line.starts_with("curl "))
        .expect("a line with curl");
    assert!(shell(read).contains("Subject:"), "{read}");
    let sends: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("swaks "))
        .collect();
    assert!(!sends.is_empty());
    for line in sends {
        assert!(
            shell(line).contains("<~  250 ") || shell(line).contains("<-  250 "),
            "{line}"
        );
    }
    // As they stand: the program need not be on the PATH.
    let own = format!("{} -C ", env!("CARGO_BIN_EXE_kakitome"));
    let commands: Vec<_> = lines.iter().filter(|line| line.starts_with(&own)).collect();
    assert!(commands.len() >= 4, "{printed}");
    let mut told = String::new();
    for line in commands {
        let answer = shell(line);
        // What only does something says nothing.
        let acts = ["--handed-over", "account resume"];
        let silent = acts.iter().any(|act| line.contains(act));
        assert!(silent || !answer.is_empty(), "{line}");
        told.push_str(&answer);
    }
    // The theft was played before it was reported, and the incident goes to its end.
    for said in [
        "127.0.0.66",
        "target=suzuki@city.example",
        "yamada@partner.example",
    ] {
        assert!(told.contains(said), "{said} in {told}");
    }
    let close = lines.iter().find(|line| line.ends_with("incident close 1"));
    let show = close.expect("the last line").replace("close", "show");
    let shown = shell(&format!("{show} --json"));
    assert!(!shown.contains("\"closed_at\":null"), "{shown}");
    demo.signal(Signal::INT);
    let status = demo.ended(READY);
    assert!(status.success(), "the demo ended with {status}");
    let left: Vec<_> = std::fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "log")
        .collect();
    assert!(left.is_empty(), "{left:?} is left behind");
}

#[test]
fn a_demo_in_a_named_directory_stays_and_can_be_served() {
    let place = place();
    let site = place.path().join("city");
    let base = port_base() + 100;
    let mut demo = Process::start(
        "the demo",
        Command::new(env!("CARGO_BIN_EXE_kakitome"))
            .arg("demo")
            .arg(&site)
            .args(["--port-base", &base.to_string()])
            .env("KAKITOME_LOG", "warn"),
        &place.path().join("log"),
    );
    until("the demo is ready", READY, || {
        assert!(demo.is_running(), "the demo ended: {}", demo.printed());
        demo.printed().contains("^C ends it.").then_some(())
    });
    let status = Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .word("-C")
        .word(&site)
        .word("status")
        .succeeds();
    assert!(status.contains("mail.city.example"), "{status}");
    demo.signal(Signal::INT);
    assert!(demo.ended(READY).success());
    assert!(site.join("kakitome.toml").exists());
    assert!(site.join("partner/kakitome.toml").exists());
    let beside: Vec<_> = names(place.path());
    assert_eq!(beside, ["city", "log"], "all of it is in the directory");
}

#[test]
fn a_demo_that_cannot_be_had_leaves_nothing_behind() {
    let place = place();
    let base = port_base() + 200;
    // The partner's port is taken: the city is served by then.
    let taken = std::net::TcpListener::bind(("127.0.0.1", base + 1025)).unwrap();
    let empty = place.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let new = place.path().join("new");
    for directory in [None, Some(&empty), Some(&new)] {
        let told = Program::new(env!("CARGO_BIN_EXE_kakitome"))
            .word("demo")
            .words(directory)
            .words(["--port-base", &base.to_string()])
            .env("TMPDIR", place.path())
            .fails();
        assert!(told.contains("partner.example"), "{told}");
        assert_eq!(names(place.path()), ["empty"], "{directory:?}");
        assert!(names(&empty).is_empty());
    }
    drop(taken);
}

fn names(directory: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

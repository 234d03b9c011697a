//! `probe` finds what is wrong with a server, and nothing where nothing is (clauses 4.3(6), 5.1(1), 6.1): shown against Kakitome,
//! against Postfix as Debian ships it, and against a Postfix that was opened on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{collections::BTreeMap, process::Command, time::Duration};

use serde_json::Value;
use support::{
    Program, Site,
    dovecot::{self, Dovecot},
    postfix::{self, Postfix, Tls},
    site,
};

/// The findings by the check's id, and the exit status.
type Findings = BTreeMap<String, Value>;

#[track_caller]
fn probe(server: &str, words: &[&str]) -> (Findings, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_kakitome"))
        .args(["--json", "probe", server])
        .args(words)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        (row["check"].as_str().unwrap().to_owned(), row)
    });
    let findings: Findings = rows.collect();
    assert!(
        !findings.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (findings, output.status.code().unwrap())
}

/// The ids of checks that ended with `verdict`.
fn with<'f>(findings: &'f Findings, verdict: &str) -> Vec<&'f str> {
    let found = findings.values().filter(|row| row["verdict"] == verdict);
    found.map(|row| row["check"].as_str().unwrap()).collect()
}

#[track_caller]
fn ended(findings: &Findings, verdict: &str, ids: &str) {
    for id in ids.split_whitespace() {
        let row = findings
            .get(id)
            .unwrap_or_else(|| panic!("{id} was not tried"));
        assert_eq!(row["verdict"], verdict, "{row:#}");
    }
}

fn at(address: std::net::Ipv4Addr, port: u16) -> String {
    format!("{address}:{port}")
}

/// A Postfix of a story's own, for `sato`, who exists.
fn postfix(settings: &str) -> Postfix {
    let nowhere = ([127, 0, 0, 1].into(), 9);
    Postfix::start_with("town.example", &["sato"], nowhere, Tls::Never, settings)
}

/// All that can be tried of it.
#[track_caller]
fn probe_postfix(peer: &Postfix) -> (Findings, i32) {
    let certificate = peer.certificate();
    let words = format!(
        "--protocol smtp --recipient sato@town.example --name mail.town.example --deliver --ca {}",
        certificate.display()
    );
    let words: Vec<&str> = words.split(' ').collect();
    probe(&at(peer.address, postfix::PORT), &words)
}

/// Whether OpenSSL, which knows nothing of ours, comes to a session of TLS 1.0.
fn openssl_speaks_tls_1_0(server: &str) -> bool {
    let told = Program::new("openssl")
        .words([
            "s_client",
            "-starttls",
            "smtp",
            "-connect",
            server,
            "-tls1",
            "-cipher",
        ])
        .word("ALL:@SECLEVEL=0")
        .input("QUIT\r\n")
        .run();
    let told = told.text();
    assert!(told.contains("Cipher is "), "{told}");
    !told.contains("Cipher is (NONE)")
}

/// A site with `tanaka`, whose certificate is vouched for.
fn office() -> Site {
    let site = Site::served("city.example");
    site.person("tanaka");
    site
}

#[track_caller]
fn probe_site(site: &Site, port: u16, more: &str) -> (Findings, i32) {
    let words = format!(
        "--domain city.example --recipient tanaka@city.example --name {} --ca {} {more}",
        site.hostname(),
        site.certificate().display()
    );
    let words: Vec<&str> = words.split_whitespace().collect();
    probe(&at(site.address, port), &words)
}

#[test]
fn nothing_fails_at_kakitomes_own_listeners() {
    let mut site = Site::new("city.example");
    // So that timing can be compared: each login that fails would make the next one wait.
    site.set("directory", "free_failures = 100");
    site.serve();
    let tanaka = site.person("tanaka");
    for (port, more, tried) in [
        (site::SMTP, "--deliver", 100),
        (site::SUBMISSION, "--logins --samples 4", 100),
        (site::SUBMISSIONS, "--logins --samples 4", 100),
        (site::IMAP, "--logins --samples 4", 25),
        (site::IMAPS, "--logins --samples 4", 20),
        (site::POP3, "--logins --samples 4", 25),
        (site::POP3S, "--logins --samples 4", 20),
    ] {
        let (findings, status) = probe_site(&site, port, more);
        assert!(findings.len() > tried, "{port}: {}", findings.len());
        assert_eq!(
            with(&findings, "fail"),
            Vec::<&str>::new(),
            "{port}: {findings:#?}"
        );
        assert_eq!(
            with(&findings, "warn"),
            Vec::<&str>::new(),
            "{port}: {findings:#?}"
        );
        // What noise a busy machine makes is not the server's.
        let unclear = with(&findings, "could-not-tell");
        let allowed = ["enumeration.login-time", "login.required"];
        assert!(
            unclear.iter().all(|id| allowed.contains(id)),
            "{port}: {findings:#?}"
        );
        assert_eq!(status, 0, "{port}");
        if port != site::SMTP {
            ended(&findings, "pass", "enumeration.login-reply");
        }
    }
    // The account is none the worse for it.
    site.imap(&tanaka).select("INBOX");
}

#[test]
fn without_consent_nothing_is_delivered_and_no_login_fails() {
    let site = office();
    let (findings, status) = probe_site(&site, site::SMTP, "");
    assert_eq!(status, 0);
    ended(
        &findings,
        "could-not-tell",
        "smuggling.lf-dot-lf smuggling.bdat-dot",
    );
    ended(
        &findings,
        "pass",
        "relay.control relay.plain smuggling.command-lf smuggling.bdat-size",
    );
    let (findings, _) = probe_site(&site, site::SUBMISSION, "");
    ended(
        &findings,
        "could-not-tell",
        "enumeration.login-reply enumeration.login-time",
    );
    assert!(site.events(&["--kind", "smtp.accepted"]).is_empty());
    let failed = site.events(&["--kind", "authentication.failed"]);
    let named = failed
        .iter()
        .filter(|event| event.to_string().contains("tanaka"));
    assert_eq!(named.count(), 0, "{failed:#?}");
}

/// The client is not of `mynetworks`: the probe comes from loopback, which Debian trusts.
const AS_DEBIAN_SHIPS_IT: &str = "smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)\n\
    smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination\n\
    smtpd_tls_security_level = may\nmynetworks = 192.0.2.0/24\n";

#[test]
fn postfix_as_debian_ships_it_relays_nothing_and_tells_who_exists() {
    let peer = postfix(AS_DEBIAN_SHIPS_IT);
    let (findings, status) = probe_postfix(&peer);
    assert_eq!(status, 1);
    let relayed = findings
        .iter()
        .filter(|(id, row)| id.starts_with("relay.") && row["verdict"] != "pass");
    assert_eq!(relayed.count(), 0, "{findings:#?}");
    ended(&findings, "fail", "commands.vrfy");
    ended(
        &findings,
        "warn",
        "commands.etrn banner.greeting tls.tls-1.0 tls.anonymous smuggling.command-lf",
    );
    ended(
        &findings,
        "pass",
        "starttls.injection starttls.kept-state login.plaintext-offered tls.ssl-3 tls.tls-1.3",
    );
    ended(
        &findings,
        "pass",
        "commands.expn commands.turn commands.xclient tls.certificate-chain tls.certificate-name",
    );
    // What was said is there to be seen.
    let dialogue = findings["commands.vrfy"]["dialogue"].to_string();
    assert!(
        dialogue.contains("VRFY sato@town.example") && dialogue.contains("252"),
        "{dialogue}"
    );
    assert!(
        openssl_speaks_tls_1_0(&at(peer.address, postfix::PORT)),
        "so says OpenSSL"
    );
}

/// Open to everybody in every way that there is a setting for.
const OPENED: &str = "mynetworks = 0.0.0.0/0\nsmtpd_authorized_xclient_hosts = 0.0.0.0/0\n\
    smtpd_banner = $myhostname ESMTP $mail_name ($mail_version)\n\
    fast_flush_domains = town.example\nsmtpd_forbid_bare_newline = no\n\
    smtpd_sasl_auth_enable = yes\ncyrus_sasl_config_path = {root}/etc\n\
    smtpd_tls_security_level = may\nsmtpd_tls_protocols = >=TLSv1\nsmtpd_tls_ciphers = low\n\
    tls_low_cipherlist = ALL:@SECLEVEL=0\n";

#[test]
fn each_fault_of_a_postfix_that_was_opened_is_found() {
    let peer = postfix(OPENED);
    let (findings, status) = probe_postfix(&peer);
    assert_eq!(status, 1);
    ended(
        &findings,
        "fail",
        "relay.plain relay.null-sender relay.own-sender relay.source-route relay.percent-literal relay.bang-path \
         relay.quoted-bare relay.helo-localhost relay.foreign-literal relay.own-in-front relay.own-at-end \
         relay.trailing-dot relay.upper-case relay.orcpt relay.xclient relay.after-own-recipient",
    );
    let relayed = with(&findings, "fail")
        .iter()
        .filter(|id| id.starts_with("relay."))
        .count();
    assert!(relayed > 30, "{relayed}");
    ended(
        &findings,
        "fail",
        "commands.vrfy commands.etrn commands.xclient",
    );
    ended(
        &findings,
        "fail",
        "smuggling.lf-dot-lf smuggling.lf-dot-crlf smuggling.crlf-dot-lf smuggling.lflf-dot-crlf",
    );
    ended(
        &findings,
        "fail",
        "login.plaintext-offered login.plaintext-taken",
    );
    ended(
        &findings,
        "warn",
        "login.mechanisms banner.greeting tls.tls-1.0 tls.tls-1.1 tls.anonymous tls.forward-secrecy",
    );
    // What has no fault is not called one.
    ended(
        &findings,
        "pass",
        "relay.control starttls.injection smuggling.bdat-dot smuggling.cr-dot-cr tls.ssl-3 commands.expn",
    );
    // Nothing went to the outside: no trick came further than RCPT.
    let log = peer.log();
    assert!(!log.contains("to=<relay-probe@example.com>"), "{log}");
}

/// Postfix' newer way to read line ends is the cure, and the checks see it.
#[test]
fn a_postfix_that_forbids_bare_line_feeds_is_not_smuggled_through() {
    let peer = postfix("smtpd_forbid_bare_newline = yes\nmynetworks = 192.0.2.0/24\n");
    let certificate = peer.certificate();
    let words = format!(
        "--protocol smtp --recipient sato@town.example --deliver --only smuggling --ca {}",
        certificate.display()
    );
    let words: Vec<&str> = words.split(' ').collect();
    let (findings, _) = probe(&at(peer.address, postfix::PORT), &words);
    ended(
        &findings,
        "pass",
        "smuggling.lf-dot-lf smuggling.lf-dot-crlf smuggling.crlf-dot-lf",
    );
}

#[track_caller]
fn probe_dovecot(peer: &Dovecot, port: u16) -> Findings {
    let words = format!(
        "--recipient sato@town.example --name mail.town.example --ca {}",
        peer.certificate().display()
    );
    let words: Vec<&str> = words.split(' ').collect();
    probe(&at(peer.address, port), &words).0
}

const DOVECOTS: [u16; 4] = [dovecot::IMAP, dovecot::IMAPS, dovecot::POP3, dovecot::POP3S];

#[test]
fn dovecot_as_debian_ships_it_takes_no_password_in_plain_text() {
    let peer = Dovecot::start("");
    for port in DOVECOTS {
        let findings = probe_dovecot(&peer, port);
        let failed = with(&findings, "fail");
        assert!(failed.is_empty(), "{port}: {findings:#?}");
        // "Dovecot (Debian) ready."
        ended(&findings, "warn", "banner.greeting");
        ended(
            &findings,
            "pass",
            "tls.tls-1.1 tls.tls-1.2 tls.certificate-chain",
        );
    }
    let findings = probe_dovecot(&peer, dovecot::IMAP);
    ended(
        &findings,
        "pass",
        "starttls.injection imap.plaintext-offered imap.plaintext-login",
    );
    let findings = probe_dovecot(&peer, dovecot::POP3);
    ended(
        &findings,
        "pass",
        "starttls.injection pop3.plaintext-offered pop3.plaintext-login",
    );
}

#[test]
fn each_fault_of_a_dovecot_that_was_opened_is_found() {
    let peer = Dovecot::start(
        "disable_plaintext_auth = no\nauth_mechanisms = plain anonymous apop\n\
         auth_anonymous_username = sato@town.example\nssl_min_protocol = TLSv1\n\
         ssl_cipher_list = ALL:@SECLEVEL=0\nlogin_greeting = Dovecot 2.3.19 ready.\n",
    );
    for port in DOVECOTS {
        let findings = probe_dovecot(&peer, port);
        // These are for mail programs, so that weak TLS is a failure.
        ended(&findings, "fail", "tls.tls-1.0 tls.tls-1.1");
        ended(&findings, "warn", "banner.greeting tls.forward-secrecy");
        ended(
            &findings,
            "pass",
            "tls.ssl-3 tls.tls-1.3 tls.null tls.export",
        );
    }
    let findings = probe_dovecot(&peer, dovecot::IMAP);
    ended(
        &findings,
        "fail",
        "imap.plaintext-offered imap.plaintext-login imap.mechanisms",
    );
    let findings = probe_dovecot(&peer, dovecot::POP3);
    ended(
        &findings,
        "fail",
        "pop3.plaintext-offered pop3.plaintext-login pop3.mechanisms",
    );
    ended(&findings, "warn", "pop3.apop");
}

#[test]
fn old_tls_is_refused_by_kakitome_and_openssl_agrees() {
    let site = office();
    let (findings, _) = probe_site(&site, site::SMTP, "--only tls");
    ended(
        &findings,
        "pass",
        "tls.tls-1.0 tls.tls-1.1 tls.ssl-3 tls.3des tls.rc4 tls.null tls.export tls.anonymous",
    );
    assert!(!openssl_speaks_tls_1_0(&at(site.address, site::SMTP)));
}

#[track_caller]
fn words_fail(words: &[&str], status: i32) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_kakitome"))
        .arg("probe")
        .args(words)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{words:?}: {told}");
    told
}

#[test]
fn what_cannot_be_meant_is_said() {
    for words in [
        &[][..],
        &["mx.example", "--list"],
        &["mx.example", "--own"],
        &["127.0.0.1:2525"],
        &["127.0.0.1:x"],
        &["127.0.0.1", "--deliver"],
        &["127.0.0.1", "--protocol", "nntp"],
        &["127.0.0.1", "--only", "weather"],
        &["127.0.0.1", "--timeout", "0s"],
        &["127.0.0.1", "--samples", "1"],
        &["127.0.0.1", "--from", "nobody"],
        &["127.0.0.1", "--ca", "/nonexistent/ca.pem"],
        &["--own"],
    ] {
        words_fail(words, 2);
    }
    let told = words_fail(&["127.0.0.1:9", "--protocol", "imap"], 1);
    assert!(told.contains("cannot connect"), "{told}");
    let list = Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .words(["probe", "--list", "--lang", "ja"])
        .succeeds();
    assert!(
        list.contains("relay.percent-hack") && list.contains("パーセントハック"),
        "{list}"
    );
    let rows = Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .words(["--json", "probe", "--list", "--only", "imap"])
        .succeeds();
    for row in rows.lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        assert!(row["check"].as_str().unwrap().starts_with("imap."), "{row}");
    }
}

#[test]
fn people_read_what_failed_with_what_was_said() {
    let site = office();
    let server = at(site.address, site::IMAPS);
    let page = Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .words([
            "probe",
            &server,
            "--name",
            "mail.elsewhere.example",
            "--lang",
            "ja",
        ])
        .run();
    let told = page.text();
    assert_eq!(page.output.status.code(), Some(1), "{told}");
    for words in [
        "fail  tls.certificate-name",
        "証明書の名前が一致する",
        "not for mail.elsewhere.example",
        "2 checks failed",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

/// What `status` asks attention for.
fn attention(site: &Site) -> String {
    site.give(&["status"])[0]["attention"].to_string()
}

#[test]
fn the_site_probes_its_own_listeners_and_says_so() {
    let mut site = office();
    site.give(&["person", "add", "suzuki", "--full-name", "suzuki"]);
    site.give(&["person", "acknowledge", "suzuki", "--on-paper"]);
    // The certificate of a new site vouches for itself.
    let told = site.refused(&["probe", "--own"]);
    assert!(told.contains("checks failed"), "{told}");
    let done = site.events(&["--kind", "probe.done"]);
    assert_eq!(done.len(), 1, "{done:#?}");
    assert_eq!(done[0]["result"], "failure");
    let failed = done[0]["detail"]["failed"].to_string();
    assert!(failed.contains("imaps tls.certificate-chain"), "{failed}");
    assert!(!failed.contains("relay."), "{failed}");
    assert!(attention(&site).contains("imaps tls.certificate-chain"));
    // Attempts of its own are none of an attacker.
    let analysed = site.give(&["audit", "analyse"]);
    assert!(
        !format!("{analysed:?}").contains("relaying"),
        "{analysed:#?}"
    );
    // A part of it says nothing of the rest.
    site.give(&["probe", "--own", "--only", "relay"]);
    assert!(attention(&site).contains("imaps tls.certificate-chain"));
    let given = site.events(&["--kind", "command.given", "--result", "failure"]);
    assert_eq!(given.last().unwrap()["subject"], "probe", "{given:#?}");

    // It is remembered over a restart, and a whole run takes its place.
    site.stop();
    site.set("probe", "ca_file = \"keys/tls.crt\"");
    site.serve();
    support::until("the last run is remembered", SOON, || {
        attention(&site)
            .contains("imaps tls.certificate-chain")
            .then_some(())
    });
    let rows = site.give(&["probe", "--own", "--verbose"]);
    for listener in [
        "smtp",
        "submission",
        "submissions",
        "imap",
        "imaps",
        "pop3",
        "pop3s",
    ] {
        let of = rows.iter().filter(|row| row["listener"] == listener);
        assert!(of.count() > 20, "{listener}");
    }
    assert!(
        rows.iter()
            .all(|row| row["verdict"] != "fail" && row["verdict"] != "warn"),
        "{rows:#?}"
    );
    assert!(
        rows.iter()
            .any(|row| row["dialogue"].to_string().contains("STARTTLS"))
    );
    // All that clauses ask of it was told, here where nobody is the postmaster.
    for id in ["4.3-6-b", "4.3-6-c", "4.3-6-d", "4.3-6-f", "5.1-1-a"] {
        let clause = site.give(&["clause", "show", id]).remove(0);
        // The review of the year is not due yet.
        let ways = clause["ways"].as_array().unwrap().iter();
        let measured = ways.filter(|way| way["way"] != "workflow");
        assert!(measured.clone().count() > 0, "{id}");
        for way in measured {
            assert_eq!(way["state"], "met", "{id}: {way:#}");
        }
    }
    // Its messages were taken at an address of their own, and thrown away.
    let told = |check: &str| {
        let mut of = rows.iter().filter(|row| row["listener"] == "smtp");
        of.find(|row| row["check"] == check).unwrap()["verdict"].clone()
    };
    for check in [
        "smuggling.lf-dot-lf",
        "smuggling.crlf-dot-cr",
        "smuggling.bdat-dot",
    ] {
        assert_eq!(told(check), "pass", "{check}");
    }
    let thrown = site.events(&["--kind", "message.discarded"]);
    assert!(!thrown.is_empty());
    let all = format!("{thrown:?}");
    assert!(
        all.contains("probe-") && !all.contains("postmaster@"),
        "{all}"
    );
    assert!(!attention(&site).contains("tls.certificate-chain"));
    let metrics = Program::new("curl")
        .words([
            "-sS",
            &format!("http://{}:{}/metrics", site.address, site::PORT_BASE + 90),
        ])
        .succeeds();
    assert!(
        metrics.contains("kakitome_probe_checks{verdict=\"fail\"} 0"),
        "{metrics}"
    );
}

#[test]
fn every_day_by_itself() {
    let mut site = Site::new("city.example");
    let minute = Program::new("date")
        .words(["-d", "+1 minute", "+%H:%M"])
        .succeeds();
    site.unset("daily = false");
    site.set("probe", &format!("daily = \"{}\"", minute.trim()));
    site.set("probe", "ca_file = \"keys/tls.crt\"");
    site.serve();
    let done = support::until("the listeners are probed", DAILY, || {
        let done = site.events(&["--kind", "probe.done"]);
        (!done.is_empty()).then_some(done)
    });
    assert_eq!(done[0]["actor"], "system", "{done:#?}");
    assert_eq!(done[0]["result"], "success", "{done:#?}");
    assert_eq!(done[0]["detail"]["listeners"].as_array().unwrap().len(), 7);
}

/// A minute to come, and what the run takes.
const DAILY: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(30);

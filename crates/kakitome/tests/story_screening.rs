//! Mail from outside is screened before it is taken: a real name server (unbound), real signers (dkimpy), and what the
//! recipient, the client and the trail see of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, time::Duration};

use serde_json::Value;
use support::{
    Letter, Person, Program, Site,
    site::SMTP,
    smtp::{self, Reply},
    unbound::{Unbound, Zones},
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(40);
/// The client of these stories connects from there.
const CLIENT: &str = "v=spf1 ip4:127.0.0.1 -all";
const NOT_CLIENT: &str = "v=spf1 ip4:192.0.2.1 -all";

/// Keys of senders.
struct Keys {
    place: TempDir,
    published: Value,
}

impl Keys {
    fn new() -> Self {
        let place = support::place();
        let told = script().word("keys").word(place.path()).succeeds();
        let published = serde_json::from_str(&told).unwrap();
        Self { place, published }
    }

    fn publish(&self, zones: Zones, domain: &str) -> Zones {
        ["rsa", "short", "ed"]
            .iter()
            .fold(zones, |zones, selector| {
                let text = self.published[*selector].as_str().unwrap();
                zones.txt(&format!("{selector}._domainkey.{domain}"), text)
            })
    }

    fn sign(&self, selector: &str, domain: &str, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let program = script().word("dkim").word(self.place.path());
        let ran = program.words([selector, domain, algorithm]).input(message);
        crlf(&ran.succeeds())
    }

    /// As a mailing list does: it says what it saw, changes the subject, and seals.
    fn through_list(&self, message: &[u8], list: &str, dmarc: &str) -> Vec<u8> {
        let text = String::from_utf8(message.to_vec()).unwrap();
        let changed = text.replace("Subject: ", "Subject: [list] ");
        let results =
            format!("Authentication-Results: {list}; dmarc={dmarc} header.from=strict.example\r\n");
        let program = script().word("arc").word(self.place.path());
        let ran = program.words(["rsa", list, list]).input(results + &changed);
        crlf(&ran.succeeds())
    }
}

/// Debian's own Python, which has dkimpy.
fn script() -> Program {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/sign.py");
    Program::new("/usr/bin/python3").word("-I").word(path)
}

/// Fields of the signers end in CRLF or LF.
fn crlf(text: &str) -> Vec<u8> {
    text.replace("\r\n", "\n")
        .replace('\n', "\r\n")
        .into_bytes()
}

/// Domains of every kind.
fn zones(keys: &Keys) -> Zones {
    let zones = Zones::default()
        .txt("pass.example", CLIENT)
        .txt("fail.example", NOT_CLIENT)
        .txt("soft.example", "v=spf1 ~all")
        .txt("neutral.example", "v=spf1 ?all")
        .txt("broken.example", "v=spf1 ip4:nonsense -all")
        .txt("twice.example", CLIENT)
        .txt("twice.example", "v=spf1 -all")
        .txt("loop.example", "v=spf1 include:loop.example -all")
        .txt("plain.example", "nothing about mail")
        .txt("strict.example", CLIENT)
        .txt("_dmarc.strict.example", "v=DMARC1; p=reject; sp=none")
        .txt("_dmarc.sub.strict.example", "nothing about mail")
        .a("sub.strict.example", "192.0.2.1")
        .txt("_dmarc.apart.example", "v=DMARC1; p=quarantine")
        .txt("_dmarc.watching.example", "v=DMARC1; p=none")
        .txt("revoked._domainkey.signed.example", "v=DKIM1; k=rsa; p=")
        .zone("silent.example", "always_deny")
        .zone("refusing.example", "always_refuse");
    [
        "signed.example",
        "strict.example",
        "list.example",
        "other.example",
    ]
    .iter()
    .fold(zones, |zones, domain| keys.publish(zones, domain))
}

/// A site that is screened, somebody there, and the world outside.
struct Story {
    site: Site,
    tanaka: Person,
    names: Unbound,
    keys: Keys,
}

impl Story {
    fn new(settings: &[&str]) -> Self {
        let keys = Keys::new();
        let names = Unbound::start(&zones(&keys));
        let mut site = Site::new("city.example");
        site.screened(&names.at());
        for line in settings {
            site.set("screening", line);
        }
        site.serve();
        let tanaka = site.person("tanaka");
        Self {
            site,
            tanaka,
            names,
            keys,
        }
    }

    fn letter(&self, name: &str, author: &str) -> Letter {
        Letter::new(name, author, &self.tanaka.address)
    }

    /// Hands a message over; the reply to its data.
    #[track_caller]
    fn hand(&self, sender: &str, content: &[u8]) -> Reply {
        let mut session = self.site.smtp();
        session
            .send(sender, &[&self.tanaka.address], content)
            .unwrap()
    }

    /// Hands it over, which is answered with `code`; what `screening explain` says of it.
    #[track_caller]
    fn explained(&self, sender: &str, content: &[u8], code: u16) -> Value {
        let reply = self.hand(sender, content);
        assert_eq!(reply.code, code, "{reply:?}");
        self.explain(&id_in(&reply))
    }

    #[track_caller]
    fn explain(&self, id: &str) -> Value {
        self.site.give(&["screening", "explain", id]).remove(0)
    }

    fn count(&self, mailbox: &str) -> u32 {
        self.site.imap(&self.tanaka).select(mailbox)
    }

    /// The newest message of a mailbox.
    fn newest(&self, mailbox: &str) -> String {
        let mut imap = self.site.imap(&self.tanaka);
        let count = imap.select(mailbox);
        String::from_utf8_lossy(&imap.fetch(count)).into_owned()
    }
}

/// The id in `Accepted as ID`, or in parentheses at the end of a refusal.
#[track_caller]
fn id_in(reply: &Reply) -> String {
    let text = reply.text.join(" ");
    let word = text.split_whitespace().last().unwrap();
    word.trim_matches(['(', ')']).to_owned()
}

/// The unfolded Authentication-Results of a message.
fn results(message: &str) -> Vec<String> {
    let head = message.split("\r\n\r\n").next().unwrap();
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let lines = head
        .lines()
        .filter_map(|line| line.strip_prefix("Authentication-Results: "));
    lines.map(str::to_owned).collect()
}

#[test]
fn spf_of_every_kind_is_found_and_told() {
    let story = Story::new(&[]);
    for (domain, result) in [
        ("pass.example", "pass"),
        ("fail.example", "fail"),
        ("soft.example", "softfail"),
        ("neutral.example", "neutral"),
        ("broken.example", "permerror"),
        ("twice.example", "permerror"),
        ("loop.example", "permerror"),
        ("plain.example", "none"),
        ("nowhere.example", "none"),
        ("silent.example", "temperror"),
        ("refusing.example", "temperror"),
    ] {
        // The author is of another domain, so that SPF stands alone.
        let letter = story.letter(domain, "writer@plain.example");
        let told = story.explained(&format!("x@{domain}"), &letter.content(), 250);
        let evidence = &told["evidence"];
        assert_eq!(evidence["spf"]["result"], result, "{domain}: {evidence}");
        assert_eq!(evidence["spf"]["domain"], domain, "{evidence}");
        assert_eq!(told["verdict"]["handling"], "accept", "{told}");
        assert_eq!(told["same_today"], true, "{told}");
        let fields = results(&story.newest("INBOX"));
        let expected = format!("spf={result} smtp.mailfrom={domain}");
        assert!(
            fields[0].starts_with("mail.city.example; iprev="),
            "{fields:?}"
        );
        assert!(fields[0].contains(&expected), "{fields:?}");
    }
    // The null sender is checked by the name in EHLO.
    let letter = story.letter("null", "writer@plain.example");
    let told = story.explained("", &letter.content(), 250);
    assert_eq!(
        told["evidence"]["spf"]["domain"], "client.example",
        "{told}"
    );
    assert_eq!(told["evidence"]["spf"], told["evidence"]["spf_helo"]);
}

#[test]
fn spf_alone_decides_where_the_site_wants_it() {
    let story = Story::new(&["spf_fail = \"refuse\""]);
    let letter = story.letter("failing", "writer@plain.example");
    let reply = story.hand("x@fail.example", &letter.content());
    assert_eq!(reply.code, 550, "{reply:?}");
    assert!(reply.text[0].starts_with("5.7.23 "), "{reply:?}");
    let reply = story.hand("x@silent.example", &letter.content());
    assert_eq!(reply.code, 451, "{reply:?}");
    assert!(reply.text[0].starts_with("4.7.24 "), "{reply:?}");
    assert_eq!(story.count("INBOX"), 0);
}

#[test]
fn signatures_are_verified_and_weak_ones_refused() {
    let story = Story::new(&[]);
    let content = story.letter("signed", "writer@signed.example").content();
    let sign = |selector: &str, algorithm: &str| {
        story
            .keys
            .sign(selector, "signed.example", algorithm, &content)
    };
    let signature = |content: &[u8]| {
        let told = story.explained("x@plain.example", content, 250);
        told["evidence"]["dkim"][0].clone()
    };
    for (selector, algorithm, result, reason) in [
        ("rsa", "rsa-sha256", "pass", ""),
        ("ed", "ed25519-sha256", "pass", ""),
        ("revoked", "rsa-sha256", "permerror", "revoked"),
        ("short", "rsa-sha256", "policy", "1024"),
        ("rsa", "rsa-sha1", "policy", "SHA-1"),
    ] {
        let found = signature(&sign(selector, algorithm));
        assert_eq!(found["result"], result, "{found}");
        assert_eq!(found["domain"], "signed.example", "{found}");
        assert_eq!(found["selector"], selector, "{found}");
        assert_eq!(found["algorithm"], algorithm, "{found}");
        let why = found["reason"].as_str().unwrap_or_default();
        assert!(why.contains(reason), "{found}");
    }
    let intact = String::from_utf8(sign("rsa", "rsa-sha256")).unwrap();
    let broken = intact.replace("This is signed", "This was signed");
    assert_ne!(intact, broken);
    assert_eq!(signature(broken.as_bytes())["result"], "fail");
    let missing = intact.replace("s=rsa;", "s=gone;");
    assert_eq!(signature(missing.as_bytes())["result"], "permerror");
    // White space at the end of a relaxed body is not signed (RFC 6376, section 3.4.4).
    let longer = format!("{intact} \r\n\t\r\n\r\n");
    assert_eq!(signature(longer.as_bytes())["result"], "pass");

    // However many there are, so many are looked at.
    let many = b"DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=y; h=from; b=eA==; bh=eA==\r\n"
        .repeat(30);
    let told = story.explained(
        "x@plain.example",
        &[many, intact.into_bytes()].concat(),
        250,
    );
    assert_eq!(told["evidence"]["dkim"].as_array().unwrap().len(), 10);
    assert_eq!(told["evidence"]["dkim_more"], 21, "{told}");
}

#[test]
fn dmarc_is_done_as_the_author_asks() {
    let story = Story::new(&[]);
    let forged = |domain: &str| story.letter(domain, &format!("boss@{domain}")).content();

    // p=reject: refused before it is anybody's.
    let reply = story.hand("x@fail.example", &forged("strict.example"));
    assert_eq!(reply.code, 550, "{reply:?}");
    let text = reply.text.join(" ");
    assert!(
        text.starts_with("5.7.1 ") && text.contains("DMARC policy of strict.example"),
        "{text}"
    );
    let id = id_in(&reply);
    let refused = story
        .site
        .events(&["--kind", "smtp.refused", "--subject", &id]);
    assert_eq!(refused.len(), 1, "{refused:?}");
    let screening = &refused[0]["detail"]["screening"];
    assert_eq!(
        screening["verdict"]["because"], "dmarc-reject",
        "{screening}"
    );
    let told = story.explain(&id);
    assert_eq!(told["evidence"], screening["evidence"]);
    assert_eq!(
        told["evidence"]["dmarc"]["found_at"], "strict.example",
        "{told}"
    );
    assert_eq!(told["reply"].as_str().unwrap().get(..3), Some("550"));
    assert!(story.site.events(&["--kind", "delivery.local"]).is_empty());
    assert_eq!((story.count("INBOX"), story.count("Junk")), (0, 0));

    // The same, sent or signed by the domain.
    let told = story.explained("x@strict.example", &forged("strict.example"), 250);
    assert_eq!(told["evidence"]["dmarc"]["result"], "pass", "{told}");
    assert_eq!(told["evidence"]["dmarc"]["spf_aligned"], true, "{told}");
    let signed = story.keys.sign(
        "ed",
        "strict.example",
        "ed25519-sha256",
        &forged("strict.example"),
    );
    let told = story.explained("x@fail.example", &signed, 250);
    assert_eq!(told["evidence"]["dmarc"]["dkim_aligned"], true, "{told}");
    // Signed by somebody else it is not.
    let other = story.keys.sign(
        "ed",
        "other.example",
        "ed25519-sha256",
        &forged("strict.example"),
    );
    let told = story.explained("x@fail.example", &other, 550);
    assert_eq!(told["evidence"]["dkim"][0]["result"], "pass", "{told}");
    assert_eq!(story.count("INBOX"), 2);

    // A subdomain has what the domain above it says of subdomains.
    let told = story.explained("x@fail.example", &forged("sub.strict.example"), 250);
    assert_eq!(told["verdict"]["because"], "dmarc-none", "{told}");
    assert_eq!(told["evidence"]["dmarc"]["policy"], "none", "{told}");
    assert_eq!(
        told["evidence"]["dmarc"]["found_at"], "strict.example",
        "{told}"
    );
    let told = story.explained("x@fail.example", &forged("watching.example"), 250);
    assert_eq!(told["verdict"]["because"], "dmarc-none", "{told}");
    assert_eq!((story.count("INBOX"), story.count("Junk")), (4, 0));

    // p=quarantine: into Junk.
    let told = story.explained("x@fail.example", &forged("apart.example"), 250);
    assert_eq!(told["verdict"]["handling"], "mark", "{told}");
    assert_eq!((story.count("INBOX"), story.count("Junk")), (4, 1));
    let id = told["id"].as_str().unwrap();
    let local = story
        .site
        .events(&["--kind", "delivery.local", "--subject", id]);
    assert_eq!(local[0]["detail"]["junk"], true, "{local:?}");
    assert!(results(&story.newest("Junk"))[0].contains("dmarc=fail"));

    // Nobody's mail: no author, or two.
    let content = forged("plain.example");
    let nobody = String::from_utf8(content)
        .unwrap()
        .replace("From: ", "X-From: ");
    let told = story.explained("x@plain.example", nobody.as_bytes(), 250);
    assert_eq!(told["verdict"]["because"], "unclear-author", "{told}");
    assert_eq!(told["verdict"]["handling"], "mark", "{told}");
    let two = story
        .letter("two", "a@plain.example>, <boss@strict.example")
        .content();
    let told = story.explained("x@plain.example", &two, 250);
    assert_eq!(told["evidence"]["dmarc"]["author"], "several", "{told}");
    assert_eq!((story.count("INBOX"), story.count("Junk")), (4, 3));
}

#[test]
fn what_cannot_be_looked_up_is_never_a_pass() {
    let mut story = Story::new(&[]);
    let content = story.letter("silent", "boss@silent.example").content();
    for domain in ["silent.example", "refusing.example"] {
        let content = story.letter(domain, &format!("boss@{domain}")).content();
        let reply = story.hand("x@pass.example", &content);
        assert_eq!(reply.code, 451, "{reply:?}");
        assert!(reply.text[0].starts_with("4.4.3 "), "{reply:?}");
        let told = story.explain(&id_in(&reply));
        assert_eq!(told["evidence"]["dmarc"]["result"], "temperror", "{told}");
        assert_eq!(told["verdict"]["because"], "dmarc-trouble", "{told}");
    }
    // With no name server at all, it is all the same, and it does not take longer than it may.
    story.names.kill_hard();
    story.site.set("screening", "time = \"3s\"");
    story.site.reload();
    let began = std::time::Instant::now();
    let strict = story.letter("strict", "boss@strict.example").content();
    let told = story.explained("x@strict.example", &strict, 451);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(told["evidence"]["spf"]["result"], "temperror", "{told}");
    assert_eq!(story.count("INBOX"), 0);

    // A site that would rather have it says so.
    story.site.set("screening", "dns_trouble = \"accept\"");
    story.site.reload();
    let told = story.explained("x@pass.example", &content, 250);
    assert_eq!(told["verdict"]["because"], "dmarc-trouble", "{told}");
    assert_eq!(story.count("INBOX"), 1);
}

#[test]
fn a_list_that_breaks_signatures_is_an_exception_by_its_seal() {
    let story = Story::new(&["dmarc_exceptions = [\"list.example\"]"]);
    let content = story.letter("to the list", "boss@strict.example").content();
    let signed = story
        .keys
        .sign("rsa", "strict.example", "rsa-sha256", &content);
    let sender = "bounces@plain.example";

    let sealed = story.keys.through_list(&signed, "list.example", "pass");
    let told = story.explained(sender, &sealed, 250);
    let arc = &told["evidence"]["arc"];
    assert_eq!(arc["result"], "pass", "{told}");
    assert_eq!(
        arc["sealers"],
        serde_json::json!(["list.example"]),
        "{told}"
    );
    assert_eq!(told["evidence"]["dkim"][0]["result"], "fail", "{told}");
    assert_eq!(told["verdict"]["because"], "trusted-sealer", "{told}");
    assert!(results(&story.newest("INBOX"))[0].contains("arc=pass arc.sealer=list.example"));

    // What the list itself did not believe, a list that nobody trusts, and a seal over another message.
    let doubted = story.keys.through_list(&signed, "list.example", "fail");
    let told = story.explained(sender, &doubted, 550);
    assert_eq!(told["evidence"]["arc"]["first_dmarc"], "fail", "{told}");
    let stranger = story.keys.through_list(&signed, "other.example", "pass");
    let told = story.explained(sender, &stranger, 550);
    assert_eq!(told["evidence"]["arc"]["result"], "pass", "{told}");
    let text = String::from_utf8(sealed).unwrap();
    let changed = text.replace("This is to the list", "This was to the list");
    assert_ne!(text, changed);
    let told = story.explained(sender, changed.as_bytes(), 550);
    assert_eq!(told["evidence"]["arc"]["result"], "fail", "{told}");
    assert_eq!(story.count("INBOX"), 1);
}

#[test]
fn results_that_others_forge_in_our_name_go() {
    let mut story = Story::new(&[]);
    let content = story.letter("forged", "writer@plain.example").content();
    let ours =
        b"Authentication-Results: mail.city.example; dmarc=pass header.from=bank.example\r\n";
    let folded = b"authentication-results:\r\n (x) MAIL.city.example 1;\r\n\tspf=pass\r\n";
    let theirs = b"Authentication-Results: mx.elsewhere.example; spf=pass\r\n";
    let forged = [&ours[..], theirs, folded, &content].concat();
    story.explained("x@plain.example", &forged, 250);
    let fields = results(&story.newest("INBOX"));
    assert_eq!(fields.len(), 2, "{fields:?}");
    assert!(
        fields[0].starts_with("mail.city.example; iprev="),
        "{fields:?}"
    );
    assert_eq!(fields[1], "mx.elsewhere.example; spf=pass");
    assert!(!story.newest("INBOX").contains("bank.example"));

    // They go where nothing is screened, too.
    story.site.set("screening", "enabled = false");
    story.site.reload();
    let reply = story.hand("x@plain.example", &forged);
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(
        results(&story.newest("INBOX")),
        ["mx.elsewhere.example; spf=pass"]
    );
}

/// The fields of that name, unfolded.
fn fields(message: &str, name: &str) -> Vec<String> {
    let (header, _) = message.split_once("\r\n\r\n").unwrap();
    let unfolded = header.replace("\r\n\t", " ").replace("\r\n ", " ");
    let begin = format!("{name}: ");
    let values = unfolded
        .split("\r\n")
        .filter_map(|line| line.strip_prefix(&begin));
    values.map(str::to_owned).collect()
}

#[test]
fn the_verdict_stands_in_a_field_that_nobody_forges() {
    let mut story = Story::new(&[]);
    let forged = |from: &str, field: &str| {
        let content = story.letter("sorted", from).content();
        [format!("{field}: No, it is fine\r\n").as_bytes(), &content].concat()
    };
    let status = "X-Spam-Status";
    story.explained(
        "x@plain.example",
        &forged("writer@plain.example", status),
        250,
    );
    let told = fields(&story.newest("INBOX"), status);
    assert_eq!(told, ["No, handling=accept because=nothing-against"]);
    let apart = forged("boss@apart.example", "x-spam-STATUS");
    story.explained("x@fail.example", &apart, 250);
    let message = story.newest("Junk");
    assert_eq!(
        fields(&message, status),
        ["Yes, handling=mark because=dmarc-quarantine"]
    );
    assert!(!message.contains("it is fine"), "{message}");

    // By another name, and by none: then others' words stay, since nobody here vouches for the field.
    let other = forged("writer@plain.example", "X-Verdict");
    let theirs = forged("writer@plain.example", status);
    story.site.set("screening", "status_field = \"X-Verdict\"");
    story.site.reload();
    story.hand("x@plain.example", &other);
    let told = fields(&story.newest("INBOX"), "X-Verdict");
    assert_eq!(told, ["No, handling=accept because=nothing-against"]);
    story.site.unset("status_field = \"X-Verdict\"");
    story.site.set("screening", "status_field = \"\"");
    story.site.reload();
    story.hand("x@plain.example", &theirs);
    assert_eq!(fields(&story.newest("INBOX"), status), ["No, it is fine"]);
}

#[test]
fn what_was_decided_can_be_asked_again() {
    let mut story = Story::new(&[]);
    let content = story.letter("forged", "boss@strict.example").content();
    let told = story.explained("x@fail.example", &content, 550);
    let id = told["id"].as_str().unwrap().to_owned();
    assert_eq!(told["today"], told["verdict"], "{told}");

    story.site.set("screening", "dmarc_reject = \"mark\"");
    story.site.reload();
    let told = story.explain(&id);
    assert_eq!(told["verdict"]["handling"], "refuse", "{told}");
    assert_eq!(told["today"]["handling"], "mark", "{told}");
    assert_ne!(told["today"]["policy"], told["verdict"]["policy"]);
    assert_eq!(told["same_today"], false, "{told}");
    story.explained("x@fail.example", &content, 250);
    assert_eq!((story.count("INBOX"), story.count("Junk")), (0, 1));

    // Switched off, nothing is looked at; what was, is still there.
    story.site.set("screening", "enabled = false");
    story.site.set("screening.malware", "inspect = false");
    story.site.reload();
    let reply = story.hand("x@fail.example", &content);
    assert_eq!(reply.code, 250, "{reply:?}");
    let why = story
        .site
        .refused(&["screening", "explain", &id_in(&reply)]);
    assert!(why.contains("was not screened"), "{why}");
    assert_eq!(story.explain(&id)["today"], Value::Null);
    assert!(results(&story.newest("INBOX")).is_empty());
    let why = story
        .site
        .refused(&["screening", "explain", "0000000000000"]);
    assert!(why.contains("no message") || why.contains("is no"), "{why}");

    // Asking is an act like others.
    let given = story.site.events(&["--kind", "command.given"]);
    let explain = serde_json::json!(["screening", "explain", id]);
    let asked = |event: &&Value| {
        let words = event["detail"]["words"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        words.ends_with(explain.as_array().unwrap())
    };
    assert_eq!(given.iter().filter(asked).count(), 3, "{given:?}");
    let read = story.site.events(&["--kind", "audit.read"]);
    assert!(format!("{read:?}").contains(&id), "{read:?}");
}

#[test]
fn of_what_staff_submit_it_is_not_asked_who_it_is_from() {
    let story = Story::new(&["spf_fail = \"refuse\""]);
    let letter = Letter::new("inside", &story.tanaka.address, &story.tanaka.address);
    let mut session = smtp::Session::submission(&story.site, &story.tanaka);
    let reply = session
        .send(&letter.from, &[&letter.to], &letter.content())
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    assert!(results(&story.newest("INBOX")).is_empty());
    let accepted = story.site.events(&["--kind", "submission.accepted"]);
    let evidence = &accepted[0]["detail"]["screening"]["evidence"];
    assert_eq!(evidence["authentication"], false, "{accepted:?}");
    assert!(evidence.get("spf").is_none(), "{accepted:?}");
    assert!(evidence.get("malware").is_some(), "{accepted:?}");
}

#[test]
fn an_exchange_server_screens_and_the_mailbox_server_believes_it() {
    let keys = Keys::new();
    let names = Unbound::start(&zones(&keys));
    let exchange = Site::with_roles("city.example", "exchange");
    let mailbox = Site::with_roles("city.example", "mailbox");
    let root = exchange.path().join("keys/mailbox.crt");
    fs::copy(mailbox.certificate(), root).unwrap();
    exchange.unset("mailbox_server");
    exchange.set(
        "exchange",
        &format!(
            "mailbox_server = {{ host = \"[{}]\", port = {SMTP}, ca_file = \"keys/mailbox.crt\", certificate_name = \"{}\" }}",
            mailbox.address,
            mailbox.hostname()
        ),
    );
    exchange.set("delivery", &format!("bind = \"{}\"", exchange.address));
    mailbox.unset("exchange_servers");
    mailbox.set(
        "mailbox",
        &format!("exchange_servers = [\"{}\"]", exchange.address),
    );
    let (mut exchange, mut mailbox) = (exchange, mailbox);
    for site in [&mut mailbox, &mut exchange] {
        site.screened(&names.at());
        site.serve();
    }
    let tanaka = mailbox.person("tanaka");
    let hand = |author: &str| {
        let letter = Letter::new("handed over", author, &tanaka.address);
        let mut session = exchange.smtp();
        session
            .send("x@fail.example", &[&tanaka.address], &letter.content())
            .unwrap()
    };
    assert_eq!(hand("boss@strict.example").code, 550);
    assert_eq!(hand("writer@plain.example").code, 250);
    let mut imap = mailbox.imap(&tanaka);
    imap.holds("INBOX", 1, SOON);
    let message = String::from_utf8_lossy(&imap.fetch(1)).into_owned();
    let fields = results(&message);
    assert_eq!(fields.len(), 1, "{message}");
    assert!(
        fields[0].contains("spf=fail smtp.mailfrom=fail.example"),
        "{fields:?}"
    );

    // What the one decides, the other does.
    assert_eq!(hand("boss@apart.example").code, 250);
    imap.holds("Junk", 1, SOON);
    imap.holds("INBOX", 1, SOON);
    let marked = mailbox.events(&["--kind", "screening.marked"]);
    assert_eq!(marked.len(), 1, "{marked:?}");
    assert_eq!(
        marked[0]["detail"],
        serde_json::json!({ "cause": "dmarc-quarantine", "mailboxes": 1 })
    );
    let taken = mailbox.events(&["--kind", "smtp.accepted"]);
    assert!(
        taken
            .iter()
            .all(|event| event["detail"].get("screening").is_none()),
        "{taken:?}"
    );
}

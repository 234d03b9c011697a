#![allow(clippy::unwrap_used)]

use ::malware::{Facts, Inspection, Malware, Note, What};

use super::*;
use crate::{ArcChain, Dmarc, MalwarePolicy, Spf, Treatment};

/// Mail from `x.example` whose DMARC ended so.
fn dmarc(result: Finding, policy: Option<Published>) -> Evidence {
    let mut evidence = Evidence::of_peer("192.0.2.9".parse().unwrap(), "client.example");
    evidence.dmarc = Dmarc {
        author: Author::One,
        domain: "x.example".into(),
        result,
        policy,
        ..Dmarc::default()
    };
    evidence
}

fn with_spf(result: Finding) -> Evidence {
    let mut evidence = dmarc(Finding::None, None);
    evidence.spf = Spf {
        result,
        domain: "s.example".into(),
    };
    evidence
}

/// A chain over mail that fails now.
fn with_chain(result: Finding, sealers: &[&str], first_dmarc: &str) -> Evidence {
    let mut evidence = dmarc(Finding::Fail, Some(Published::Reject));
    evidence.arc = ArcChain {
        result,
        sets: u32::try_from(sealers.len()).unwrap(),
        sealers: sealers.iter().map(|sealer| (*sealer).to_owned()).collect(),
        first_dmarc: first_dmarc.into(),
        ..ArcChain::default()
    };
    evidence
}

fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

#[track_caller]
fn judged(policy: &Policy, evidence: &Evidence, handling: Handling, because: Cause) {
    let verdict = policy.judge(evidence);
    assert_eq!((verdict.handling, verdict.because), (handling, because));
    assert_eq!(verdict.policy, policy.digest());
}

#[test]
fn dmarc_that_holds_or_is_not_there_is_no_matter() {
    for result in [Finding::Pass, Finding::None, Finding::Permerror] {
        for policy in [None, Some(Published::Reject)] {
            let evidence = dmarc(result, policy);
            judged(
                &Policy::default(),
                &evidence,
                Handling::Accept,
                Cause::NothingAgainst,
            );
        }
    }
}

#[test]
fn what_the_domain_asks_for_is_done_unless_the_site_decided_otherwise() {
    use Published::{None as Nothing, Quarantine, Reject};
    let usual = Policy::default();
    let failed = |asked| dmarc(Finding::Fail, Some(asked));
    judged(
        &usual,
        &failed(Reject),
        Handling::Refuse,
        Cause::DmarcReject,
    );
    judged(
        &usual,
        &failed(Quarantine),
        Handling::Mark,
        Cause::DmarcQuarantine,
    );
    judged(&usual, &failed(Nothing), Handling::Accept, Cause::DmarcNone);
    for (choice, handling) in [
        (Choice::Accept, Handling::Accept),
        (Choice::Mark, Handling::Mark),
        (Choice::Refuse, Handling::Refuse),
    ] {
        let reject = policy(|policy| policy.dmarc_reject = choice);
        judged(&reject, &failed(Reject), handling, Cause::DmarcReject);
        let quarantine = policy(|policy| policy.dmarc_quarantine = choice);
        judged(
            &quarantine,
            &failed(Quarantine),
            handling,
            Cause::DmarcQuarantine,
        );
    }
}

#[test]
fn trouble_with_dmarc_defers_only_where_it_would_have_decided() {
    let usual = Policy::default();
    let lenient = policy(|policy| policy.dns_trouble = Trouble::Accept);
    for asked in [None, Some(Published::Reject), Some(Published::Quarantine)] {
        let evidence = dmarc(Finding::Temperror, asked);
        judged(&usual, &evidence, Handling::Defer, Cause::DmarcTrouble);
        judged(&lenient, &evidence, Handling::Accept, Cause::DmarcTrouble);
    }
    let asks_nothing = dmarc(Finding::Temperror, Some(Published::None));
    judged(
        &usual,
        &asks_nothing,
        Handling::Accept,
        Cause::NothingAgainst,
    );
    let mut aligned = dmarc(Finding::Temperror, None);
    aligned.dmarc.dkim_aligned = true;
    judged(&usual, &aligned, Handling::Accept, Cause::NothingAgainst);
    let mut sent = dmarc(Finding::Temperror, Some(Published::Reject));
    sent.dmarc.spf_aligned = true;
    judged(&usual, &sent, Handling::Accept, Cause::NothingAgainst);
    let careless = policy(|policy| {
        policy.dmarc_reject = Choice::Accept;
        policy.dmarc_quarantine = Choice::Accept;
    });
    for asked in [None, Some(Published::Reject), Some(Published::Quarantine)] {
        let evidence = dmarc(Finding::Temperror, asked);
        judged(
            &careless,
            &evidence,
            Handling::Accept,
            Cause::NothingAgainst,
        );
    }
}

#[test]
fn spf_decides_where_the_site_wants_it() {
    let usual = Policy::default();
    judged(
        &usual,
        &with_spf(Finding::Fail),
        Handling::Accept,
        Cause::NothingAgainst,
    );
    judged(
        &usual,
        &with_spf(Finding::Temperror),
        Handling::Accept,
        Cause::NothingAgainst,
    );
    let strict = policy(|policy| policy.spf_fail = Choice::Refuse);
    judged(
        &strict,
        &with_spf(Finding::Fail),
        Handling::Refuse,
        Cause::SpfFail,
    );
    judged(
        &strict,
        &with_spf(Finding::Temperror),
        Handling::Defer,
        Cause::SpfTrouble,
    );
    let marking = policy(|policy| {
        policy.spf_fail = Choice::Mark;
        policy.dns_trouble = Trouble::Accept;
    });
    judged(
        &marking,
        &with_spf(Finding::Fail),
        Handling::Mark,
        Cause::SpfFail,
    );
    judged(
        &marking,
        &with_spf(Finding::Temperror),
        Handling::Accept,
        Cause::SpfTrouble,
    );
    for result in [
        Finding::Pass,
        Finding::Softfail,
        Finding::Neutral,
        Finding::None,
        Finding::Permerror,
    ] {
        judged(
            &strict,
            &with_spf(result),
            Handling::Accept,
            Cause::NothingAgainst,
        );
    }
}

#[test]
fn the_strictest_decides() {
    let mut both = with_spf(Finding::Fail);
    both.dmarc = dmarc(Finding::Fail, Some(Published::Quarantine)).dmarc;
    let strict = policy(|policy| policy.spf_fail = Choice::Refuse);
    judged(&strict, &both, Handling::Refuse, Cause::SpfFail);
    let marking = policy(|policy| policy.spf_fail = Choice::Mark);
    judged(&marking, &both, Handling::Mark, Cause::DmarcQuarantine);
}

#[test]
fn an_outbreak_stands_where_a_criterion_sets_apart_as_well() {
    let apart = policy(|policy| policy.dmarc_quarantine = Choice::Quarantine);
    let failed = dmarc(Finding::Fail, Some(Published::Quarantine));
    judged(
        &apart,
        &failed,
        Handling::Quarantine,
        Cause::DmarcQuarantine,
    );
    // Else staff could release it.
    let both = failed.with_blocked(outbreak::Blocked {
        rule: 7,
        handling: outbreak::RuleHandling::Quarantine,
        what: "a.iso".into(),
    });
    judged(&apart, &both, Handling::Quarantine, Cause::OutbreakRule);
    let mut facts = Facts::default();
    facts.note(Note::new(What::Macros, "a.docm", ""));
    let both = both.with_malware(Malware {
        inspection: Some(Inspection {
            facts: Some(facts),
            reason: String::new(),
        }),
        ..Malware::default()
    });
    let apart = Policy {
        malware: MalwarePolicy {
            macros: Treatment::Quarantine,
            ..MalwarePolicy::default()
        },
        ..apart
    };
    judged(&apart, &both, Handling::Quarantine, Cause::OutbreakRule);
}

#[test]
fn mail_that_names_no_one_domain_as_its_author() {
    for author in [Author::Several, Author::Unreadable] {
        let mut evidence = dmarc(Finding::None, None);
        evidence.dmarc.author = author;
        judged(
            &Policy::default(),
            &evidence,
            Handling::Mark,
            Cause::UnclearAuthor,
        );
        let strict = policy(|policy| policy.unclear_author = Choice::Refuse);
        judged(&strict, &evidence, Handling::Refuse, Cause::UnclearAuthor);
        let trusting =
            policy(|policy| policy.trusted_networks = vec!["192.0.2.0/24".parse().unwrap()]);
        judged(&trusting, &evidence, Handling::Accept, Cause::UnclearAuthor);
    }
    // A report without From passes for nobody's, however strict the site is; what has a sender leaves out who it is from.
    let mut evidence = Evidence::of_peer("192.0.2.9".parse().unwrap(), "client.example");
    evidence.sender = Some(String::new());
    let strict = policy(|policy| policy.unclear_author = Choice::Refuse);
    judged(&strict, &evidence, Handling::Accept, Cause::UnclearAuthor);
    evidence.sender = Some("x@else.example".to_owned());
    judged(&strict, &evidence, Handling::Refuse, Cause::UnclearAuthor);
    judged(
        &Policy::default(),
        &evidence,
        Handling::Mark,
        Cause::UnclearAuthor,
    );
}

#[test]
fn networks_are_exceptions() {
    let trusting = policy(|policy| {
        policy.trusted_networks = vec!["192.0.2.0/24".parse().unwrap()];
        policy.spf_fail = Choice::Refuse;
    });
    let failed = dmarc(Finding::Fail, Some(Published::Reject));
    judged(&trusting, &failed, Handling::Accept, Cause::TrustedNetwork);
    judged(
        &trusting,
        &with_spf(Finding::Fail),
        Handling::Accept,
        Cause::NothingAgainst,
    );
    let doubtful = dmarc(Finding::Temperror, None);
    judged(
        &trusting,
        &doubtful,
        Handling::Accept,
        Cause::NothingAgainst,
    );
    let mut elsewhere = failed;
    elsewhere.peer = "198.51.100.1".parse().unwrap();
    judged(&trusting, &elsewhere, Handling::Refuse, Cause::DmarcReject);
}

#[test]
fn a_chain_saves_mail_if_each_of_its_sealers_is_trusted() {
    let trusting = policy(|policy| {
        policy.trusted_sealers = ["list.example", "hub.example"]
            .map(|domain| domain.parse().unwrap())
            .to_vec();
    });
    let both = ["list.example", "hub.example"];
    for (result, sealers, first_dmarc, handling, because) in [
        (
            Finding::Pass,
            &both[..],
            "pass",
            Handling::Accept,
            Cause::TrustedSealer,
        ),
        (
            Finding::Pass,
            &both[..1],
            "pass",
            Handling::Accept,
            Cause::TrustedSealer,
        ),
        (
            Finding::Pass,
            &both[..],
            "fail",
            Handling::Refuse,
            Cause::DmarcReject,
        ),
        (
            Finding::Pass,
            &both[..],
            "",
            Handling::Refuse,
            Cause::DmarcReject,
        ),
        (
            Finding::Fail,
            &both[..],
            "pass",
            Handling::Refuse,
            Cause::DmarcReject,
        ),
        (
            Finding::Temperror,
            &both[..],
            "pass",
            Handling::Defer,
            Cause::DmarcTrouble,
        ),
        (
            Finding::Temperror,
            &both[..],
            "fail",
            Handling::Refuse,
            Cause::DmarcReject,
        ),
        (Finding::None, &[], "", Handling::Refuse, Cause::DmarcReject),
        (
            Finding::Pass,
            &["evil.example", "list.example"],
            "pass",
            Handling::Refuse,
            Cause::DmarcReject,
        ),
    ] {
        let evidence = with_chain(result, sealers, first_dmarc);
        judged(&trusting, &evidence, handling, because);
    }
    let mut hidden = with_chain(Finding::Pass, &both, "pass");
    hidden.arc.sets = 3;
    judged(&trusting, &hidden, Handling::Refuse, Cause::DmarcReject);
    let chain = with_chain(Finding::Pass, &both, "pass");
    judged(
        &Policy::default(),
        &chain,
        Handling::Refuse,
        Cause::DmarcReject,
    );
}

#[test]
fn a_client_is_told_what_failed() {
    let verdict = |handling, because, domain: &str| Verdict {
        handling,
        because,
        what: String::new(),
        criterion: String::new(),
        domain: domain.to_owned(),
        policy: String::new(),
    };
    assert_eq!(
        verdict(Handling::Accept, Cause::NothingAgainst, "").refusal(),
        None
    );
    assert_eq!(
        verdict(Handling::Mark, Cause::DmarcReject, "x.example").refusal(),
        None
    );
    for (handling, because, code, detail, word) in [
        (
            Handling::Refuse,
            Cause::DmarcReject,
            550,
            (7, 1),
            "DMARC policy of x.example",
        ),
        (
            Handling::Refuse,
            Cause::DmarcQuarantine,
            550,
            (7, 1),
            "DMARC policy of x.example",
        ),
        (Handling::Defer, Cause::DmarcTrouble, 451, (4, 3), "DMARC"),
        (
            Handling::Refuse,
            Cause::SpfFail,
            550,
            (7, 23),
            "SPF record of x.example",
        ),
        (
            Handling::Defer,
            Cause::SpfTrouble,
            451,
            (7, 24),
            "SPF record of x.example",
        ),
        (Handling::Refuse, Cause::UnclearAuthor, 550, (7, 1), "From"),
    ] {
        let refused = verdict(handling, because, "x.example").refusal().unwrap();
        assert_eq!((refused.code, refused.detail), (code, detail));
        assert!(refused.text.contains(word), "{}", refused.text);
    }
}

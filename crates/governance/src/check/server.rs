//! The server itself: probes of its listeners, ways in, its disk.

use ::trail::Kind;
use jiff::{SignedDuration, Timestamp};
use store::Error;

use super::{Check, Scene, days, texts};
use crate::state::Finding;

/// A probe that is older tells nothing any more.
const PROBE_LASTS: SignedDuration = SignedDuration::from_hours(50);

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "own-domains-only",
        look: |scene| {
            Ok(probed(
                scene,
                &["relay."],
                &["smtp"],
                (
                    "自ドメイン以外への中継は設定できず、直近の検査でもすべて拒否された",
                    "relaying for other domains cannot be set up, and the last probe was refused all of it",
                ),
            ))
        },
    },
    Check {
        name: "probe-relay",
        look: |scene| {
            Ok(probed(
                scene,
                &["relay.", "login.required", "smuggling."],
                &["smtp", "submission", "submissions"],
                (
                    "中継の試みはすべて拒否された",
                    "every attempt to relay was refused",
                ),
            ))
        },
    },
    Check {
        name: "probe-commands",
        look: |scene| {
            Ok(probed(
                scene,
                &["commands.", "enumeration.recipient-time"],
                &["smtp", "submission", "submissions"],
                (
                    "悪用されるおそれのあるコマンドは使えない",
                    "none of the commands that can be abused is of use",
                ),
            ))
        },
    },
    Check {
        name: "probe-login-retrieval",
        look: |scene| {
            Ok(probed(
                scene,
                &["login.", "enumeration.login", "tls.", "starttls."],
                &["imap", "imaps", "pop3", "pop3s"],
                (
                    "MRAの主体認証に弱い点は見つからなかった",
                    "no weakness was found in how the MRA authenticates",
                ),
            ))
        },
    },
    Check {
        name: "probe-login-submission",
        look: |scene| {
            Ok(probed(
                scene,
                &["login.", "enumeration.login", "tls.", "starttls."],
                &["submission", "submissions"],
                (
                    "MSAの主体認証に弱い点は見つからなかった",
                    "no weakness was found in how the MSA authenticates",
                ),
            ))
        },
    },
    Check {
        name: "tls-before-login",
        look: |scene| {
            let networks = &scene.facts.plaintext_networks;
            Ok(Finding::met(
                "名指しされたネットワークを除き、TLSより前のログインは受け付けられない",
                "but for networks that are named, no login is taken before TLS",
            )
            .fact("plaintext_networks", texts(networks)))
        },
    },
    Check {
        name: "login-by-password",
        look: |scene| {
            let logins = scene.last_day()?.of(&[Kind::AuthenticationSucceeded]);
            let finding = probed(
                scene,
                &["login.anonymous", "login.mechanisms", "login.required"],
                &[
                    "imap",
                    "imaps",
                    "pop3",
                    "pop3s",
                    "submission",
                    "submissions",
                ],
                (
                    "主体認証を経ずにメールボックスへ至る経路はなく、直近の検査でも見つからなかった",
                    "there is no way into a mailbox without authentication, and the last probe found none",
                ),
            );
            Ok(finding.fact("logins_of_a_day", logins))
        },
    },
    Check {
        name: "own-password-page",
        look: |scene| {
            Ok(match scene.facts.pages {
                true => Finding::met(
                    "本人がパスワードを変更できる画面が動作している",
                    "the page on which people change their passwords is served",
                ),
                false => Finding::not_met(
                    "本人がパスワードを変更できる画面が停止している([listen] https)",
                    "the page on which people change their passwords is switched off ([listen] https)",
                ),
            })
        },
    },
    Check {
        name: "submission-networks-explicit",
        look: |scene| {
            let networks = &scene.facts.unauthenticated_networks;
            Ok(Finding::met(
                "送信を認めるネットワークは明示されたものに限られる",
                "only networks that are named may submit",
            )
            .fact("networks", texts(networks)))
        },
    },
    Check {
        name: "submission-authenticated",
        look: |scene| {
            Ok(probed(
                scene,
                &["login.required"],
                &["submission", "submissions"],
                (
                    "主体認証より前の送信は受け付けられない",
                    "nothing is taken for submission before authentication",
                ),
            ))
        },
    },
    Check {
        name: "disk-forecast",
        look: disk,
    },
    Check {
        name: "trail-access",
        look: |scene| {
            let files = &scene.facts.readable_by_others;
            Ok(match files.is_empty() {
                true => Finding::met(
                    "証跡と鍵のファイルは他の利用者から参照できない",
                    "no other user may read the files of the trail and its keys",
                ),
                false => Finding::not_met(
                    format!("他の利用者が参照できるファイルがある: {}", files.join("、")),
                    format!("other users may read these files: {}", files.join(", ")),
                )
                .fact("files", texts(files)),
            })
        },
    },
];

/// What the last probe of some listeners says of some checks.
fn probed(
    scene: &Scene<'_, '_>,
    checks: &[&str],
    services: &[&str],
    (ja, en): (&str, &str),
) -> Finding {
    let listening = scene.facts.listening.iter().map(String::as_str);
    let listening: Vec<&str> = listening.filter(|name| services.contains(name)).collect();
    if listening.is_empty() {
        return Finding::not_adopted(
            format!(
                "このサイトは対象のサービスを提供していない: {}",
                services.join("、")
            ),
            format!("this site serves none of {}", services.join(", ")),
        );
    }
    let Some(probe) = &scene.facts.probe else {
        return match scene.facts.probed_daily {
            true => Finding::unknown(
                "外部からの検査がまだ行われていない",
                "the listeners were not probed yet",
            ),
            false => Finding::unknown(
                "外部からの検査が停止している([probe] daily)",
                "the listeners are not probed ([probe] daily)",
            ),
        };
    };
    let own = |names: &[String]| -> Vec<String> {
        let own = names.iter().filter(|name| {
            let check = check_of(name);
            services.contains(&service_of(name))
                && checks.iter().any(|wanted| check.starts_with(wanted))
        });
        own.cloned().collect()
    };
    // Whether times differ a busy machine may not tell, and without logins that fail nothing is learnt of them.
    let mut unclear = own(&probe.could_not_tell);
    unclear.retain(|name| !check_of(name).starts_with("enumeration."));
    let unprobed = listening.iter().filter(|service| {
        let mut probed = probe.listeners.iter();
        !probed.any(|name| service_of(name) == **service)
    });
    let unreached = probe.unreached.iter();
    let seen = Seen {
        at: probe.at,
        failed: own(&probe.failed),
        unreached: unreached
            .filter(|name| services.contains(&service_of(name)))
            .cloned()
            .chain(unprobed.map(|service| (*service).to_owned()))
            .collect(),
        unclear,
    };
    said(scene, seen, (ja, en)).fact("probed_at", probe.at.to_string())
}

/// The service that a listener is of, or a finding at one: the first word, without the address of one of several.
fn service_of(name: &str) -> &str {
    let end = name.find([' ', ':', '@']).unwrap_or(name.len());
    name.get(..end).unwrap_or_default()
}

/// The check that a finding is of: the last word.
fn check_of(name: &str) -> &str {
    name.rsplit_once(' ').map_or(name, |(_, check)| check)
}

/// What a probe says of the listeners and checks that one of ours is about.
struct Seen {
    at: Timestamp,
    failed: Vec<String>,
    unreached: Vec<String>,
    unclear: Vec<String>,
}

fn said(scene: &Scene<'_, '_>, seen: Seen, (ja, en): (&str, &str)) -> Finding {
    let age = scene.since(seen.at);
    if !seen.failed.is_empty() {
        let failed = seen.failed;
        let finding = Finding::not_met(
            format!("外部からの検査で不備が見つかった: {}", failed.join("、")),
            format!("the probe from outside found faults: {}", failed.join(", ")),
        );
        return finding.fact("failed", failed);
    }
    if age > PROBE_LASTS {
        return Finding::unknown(
            format!("最後の検査は {} 日前であり、現状を示さない", days(age)),
            format!(
                "the last probe is {} days old, and says nothing of today",
                days(age)
            ),
        );
    }
    if !seen.unreached.is_empty() {
        let unreached = seen.unreached;
        let finding = Finding::unknown(
            format!("検査できなかったサービスがある: {}", unreached.join("、")),
            format!("services could not be probed: {}", unreached.join(", ")),
        );
        return finding.fact("unreached", unreached);
    }
    if !seen.unclear.is_empty() {
        let unclear = seen.unclear;
        let finding = Finding::unknown(
            format!("検査しても判断できなかった点がある: {}", unclear.join("、")),
            format!("the probe could not tell: {}", unclear.join(", ")),
        );
        return finding.fact("could_not_tell", unclear);
    }
    Finding::met(ja, en)
}

/// Free room, and how long it lasts for the trail (clauses 4.2(2), 5.4(1)).
fn disk(scene: &mut Scene<'_, '_>) -> Result<Finding, Error> {
    let Some(disk) = scene.facts.disk else {
        return Ok(Finding::unknown(
            "記録装置の空きを測れなかった",
            "the room on the disk could not be measured",
        ));
    };
    let length = store::tree::length(scene.snapshot, scene.now)?;
    let mib = |octets: u64| octets >> 20;
    let (free, year) = (mib(disk.free), mib(length.octets_a_year));
    let finding = if disk.free < disk.reserve.saturating_mul(4) {
        Finding::not_met(
            format!("記録装置の空きが {free} MiB しかなく、まもなく受信が保留される"),
            format!("only {free} MiB are free: mail will soon be put off"),
        )
    } else if length.octets_a_year > disk.free {
        Finding::not_met(
            format!("証跡は1年で {year} MiB 増える見込みだが、空きは {free} MiB である"),
            format!("the trail will take {year} MiB in a year, and {free} MiB are free"),
        )
    } else {
        Finding::met(
            format!("空きは {free} MiB、証跡の増加は1年に {year} MiB の見込みである"),
            format!("{free} MiB are free, and the trail will take {year} MiB in a year"),
        )
    };
    Ok(finding
        .fact("free", disk.free)
        .fact("size", disk.size)
        .fact("trail_octets_a_year", length.octets_a_year))
}

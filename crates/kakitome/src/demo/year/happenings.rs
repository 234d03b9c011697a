//! What happens in the year: two passwords that others use, an outbreak, malware from inside and from outside, a flood, a vulnerable component. Each is a course of
//! appointments; who has to act acts, by the same commands as at any site.

use std::{fs, net::IpAddr, path::PathBuf};

use data_encoding::HEXLOWER;
use directory::Role;
use jiff::{ToSpan as _, civil::Date, civil::Time, civil::time};
use miette::{IntoDiagnostic as _, Result, miette};
use serde_json::Value;

use super::{
    super::people::field,
    infection::{Infected, Infection},
    office::{DOMAIN, OFFICERS, Office},
    post::{Letter, Wire},
    sharing::{Shared, Sharing},
    work::text,
};

/// Where the thief of the passwords comes from.
const THIEF: [u8; 4] = [192, 0, 2, 66];
/// Where the outbreak comes from.
const INFECTED: [u8; 4] = [203, 0, 113, 200];
/// Networks that the flood comes from.
const FLOODERS: u8 = 12;
/// Sessions of each, after it was turned away for the first time.
const FLOOD_SESSIONS: usize = 80;
/// Addresses that each names in a session.
const GUESSES: usize = 30;
/// What the vulnerable component is before and after.
const OLD: &str = "1.17.1-2+deb12u2";
const NEW: &str = "1.17.1-2+deb12u3";
/// The record of it, as its publisher has it.
const RECORD: &str = r#"{"id":"DEBIAN-CVE-2099-0001","modified":"2099-01-01T00:00:00Z","published":"2099-01-01T00:00:00Z","upstream":["CVE-2099-0001"],"details":"A crafted answer makes the resolver stop (made up for the demo).","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],"affected":[{"package":{"ecosystem":"Debian:12","name":"unbound","purl":"pkg:deb/debian/unbound?arch=source"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.17.1-2+deb12u3"}]}]}],"references":[{"type":"ADVISORY","url":"https://security-tracker.debian.org/tracker/"}]}"#;
/// One about what is not here, from the first day on: a feed is never empty.
const OTHER: &str = r#"{"id":"DEBIAN-CVE-2099-0000","modified":"2099-01-01T00:00:00Z","published":"2099-01-01T00:00:00Z","upstream":["CVE-2099-0000"],"details":"Nothing that runs here (made up for the demo).","affected":[{"package":{"ecosystem":"Debian:12","name":"another","purl":"pkg:deb/debian/another?arch=source"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2"}]}]}]}"#;

/// One step of what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    ExpertsAgreed,
    ExpertsCalled,
    PasswordUsed,
    PasswordReported,
    PasswordAcknowledged,
    PasswordRenewed,
    PasswordClosed,
    OutbreakComes,
    OutbreakBlocked,
    OutbreakPulled,
    OutbreakOver,
    Infected(Infection),
    Shared(Sharing),
    Flood,
    FloodMet,
    FloodClosed,
    Published,
    Reported,
    Planned,
    Ordered,
    Tested,
    Installed,
    Verified,
}

/// The courses, with the day and the time of each step.
pub(super) fn appointments(
    (first, last): (Date, Date),
    works: &dyn Fn(Date) -> bool,
) -> Vec<(Date, Time, Step)> {
    let day = |from: Date, after: i32| {
        let mut day = from.saturating_add(after.days());
        while !works(day) {
            day = day.saturating_add(1.day());
        }
        day
    };
    let mut all = Vec::new();
    for begun in [45, 200] {
        let begun = day(first, begun);
        let next = day(begun, 1);
        all.extend([
            (begun, time(3, 10, 0, 0), Step::PasswordUsed),
            (begun, time(9, 20, 0, 0), Step::PasswordReported),
            (begun, time(10, 30, 0, 0), Step::PasswordAcknowledged),
            (begun, time(14, 10, 0, 0), Step::PasswordRenewed),
            (next, time(11, 0, 0, 0), Step::PasswordClosed),
        ]);
    }
    all.push((
        day(first, 8),
        time(11, 15, 0, 0),
        Step::Shared(Sharing::Decided),
    ));
    for after in [9, 60, 120, 180, 240, 300, 350] {
        let used = day(first, after);
        all.push((used, time(16, 20, 0, 0), Step::Shared(Sharing::Used)));
    }
    // The server warns of it two weeks before.
    let reviewed = day(first, 297);
    all.push((
        reviewed,
        time(11, 15, 0, 0),
        Step::Shared(Sharing::Reviewed),
    ));
    let outbreak = day(first, 95);
    let (inside, outside) = (day(first, 120), day(first, 180));
    let case = day(first, 150);
    let executed = day(case, 1);
    let verified = day(executed, 1);
    // What is usual has to be known by then.
    let flood = day(last, -12);
    all.extend([
        (day(first, 2), time(10, 5, 0, 0), Step::ExpertsAgreed),
        (day(first, 20), time(15, 5, 0, 0), Step::ExpertsCalled),
        (outbreak, time(9, 5, 0, 0), Step::OutbreakComes),
        (outbreak, time(9, 40, 0, 0), Step::OutbreakBlocked),
        (outbreak, time(11, 0, 0, 0), Step::OutbreakPulled),
        (day(outbreak, 7), time(9, 30, 0, 0), Step::OutbreakOver),
        (inside, time(10, 45, 0, 0), Step::Infected(Infection::Sent)),
        (
            inside,
            time(11, 30, 0, 0),
            Step::Infected(Infection::Cleaned),
        ),
        (
            inside,
            time(14, 30, 0, 0),
            Step::Infected(Infection::Renewed),
        ),
        (
            day(inside, 1),
            time(11, 10, 0, 0),
            Step::Infected(Infection::Closed),
        ),
        (outside, time(9, 10, 0, 0), Step::Infected(Infection::Came)),
        (
            outside,
            time(10, 20, 0, 0),
            Step::Infected(Infection::SenderTold),
        ),
        (flood, time(13, 20, 0, 0), Step::Flood),
        (flood, time(13, 40, 0, 0), Step::FloodMet),
        (day(flood, 1), time(10, 40, 0, 0), Step::FloodClosed),
        (case, time(5, 0, 0, 0), Step::Published),
        (case, time(9, 25, 0, 0), Step::Reported),
        (case, time(11, 20, 0, 0), Step::Planned),
        (case, time(13, 30, 0, 0), Step::Ordered),
        (executed, time(10, 50, 0, 0), Step::Tested),
        (executed, time(17, 20, 0, 0), Step::Installed),
        (verified, time(9, 15, 0, 0), Step::Verified),
    ]);
    all
}

/// Outside experts are at hand for two years (clause 10.1(2)).
async fn experts_agreed(office: &Office) -> Result<()> {
    let from = office.today();
    let until = from.saturating_add(2.years()).to_string();
    let from = from.to_string();
    let words = [
        "expert",
        "add",
        "地域CSIRT(架空)",
        "--contact",
        "csirt@prefecture.example",
        "--from",
        &from,
        "--until",
        &until,
    ];
    office
        .as_role(Role::SecurityOfficer, &words)
        .await
        .map(drop)
}

/// What happened so far.
#[derive(Default)]
pub(super) struct Happened {
    /// Incidents about passwords, with whose they are.
    stolen: Vec<(String, String)>,
    /// The rule against the outbreak.
    rule: String,
    case: String,
    /// Malware from inside and from outside.
    pub(super) infection: Infected,
    /// The identifier that several use.
    shared: Shared,
    /// Mail that the rule refused.
    pub(super) refused: usize,
}

impl Happened {
    /// Takes one step.
    pub(super) async fn step(
        &mut self,
        step: Step,
        office: &mut Office,
        wire: &Wire,
        machine: &Machine,
    ) -> Result<()> {
        match step {
            Step::ExpertsAgreed => experts_agreed(office).await,
            Step::ExpertsCalled => {
                let result = "当番に電話し、30分以内に応答があった (answered)";
                let words = ["expert", "drill", "1", "--result", result];
                office
                    .as_role(Role::SecurityOfficer, &words)
                    .await
                    .map(drop)
            }
            Step::PasswordUsed => self.password_used(office, wire).await,
            Step::PasswordReported => self.password_reported(office).await,
            Step::PasswordAcknowledged => {
                let (number, _) = self.last_stolen()?;
                let note = "報告書を確認した (read)";
                let words = ["incident", "step", number, "acknowledged", "--note", note];
                office
                    .as_role(Role::SecurityOfficer, &words)
                    .await
                    .map(drop)
            }
            Step::PasswordRenewed => self.password_renewed(office).await,
            Step::PasswordClosed => {
                let (number, name) = self.last_stolen()?;
                settle_held(office, number, name).await?;
                let words = ["incident", "close", number];
                office
                    .as_role(Role::SecurityOfficer, &words)
                    .await
                    .map(drop)
            }
            Step::OutbreakComes => self.outbreak(office, wire, 0).await,
            Step::OutbreakBlocked => self.outbreak_blocked(office, wire).await,
            Step::OutbreakPulled => {
                let words = ["outbreak", "search", &self.rule];
                office.as_role(Role::Administrator, &words).await?;
                let reason = "配送済みの同一の添付ファイルを回収する (already delivered)";
                let words = ["outbreak", "pull", &self.rule, "--reason", reason];
                office
                    .as_role(Role::SecurityOfficer, &words)
                    .await
                    .map(drop)
            }
            Step::OutbreakOver => {
                let reason = "定義ファイルで検知されるようになった (scanners know it)";
                let words = ["outbreak", "end", &self.rule, "--reason", reason];
                office.as_role(Role::Administrator, &words).await.map(drop)
            }
            Step::Infected(step) => self.infection.step(step, office, wire).await,
            Step::Shared(step) => self.shared.step(step, office, wire).await,
            Step::Flood => Ok(()),
            Step::FloodMet => flood_met(office).await,
            Step::FloodClosed => {
                let number = open_incident(office, "dos").await?;
                let words = ["incident", "close", &number];
                office.as_role(Role::SystemOfficer, &words).await.map(drop)
            }
            Step::Published => machine.publish(&[OTHER, RECORD]),
            Step::Reported => self.case_reported(office).await,
            Step::Planned => self.case_planned(office).await,
            Step::Ordered => self.case_ordered(office).await,
            Step::Tested => {
                let note = "検証機で名前解決と送受信を確認した (tried on the standby machine)";
                let words = [
                    "vuln", "test", &self.case, "--result", "passed", "--note", note,
                ];
                office.as_role(Role::Administrator, &words).await.map(drop)
            }
            Step::Installed => self.case_executed(office, machine).await,
            Step::Verified => self.case_closed(office).await,
        }
    }

    /// The last incident about a password, and whose it is.
    pub(super) fn last_stolen(&self) -> Result<(&str, &str)> {
        let last = self.stolen.last();
        let last = last.ok_or_else(|| miette!("no password was stolen yet"))?;
        Ok((&last.0, &last.1))
    }

    async fn password_used(&mut self, office: &Office, wire: &Wire) -> Result<()> {
        let place = OFFICERS.saturating_add(3).saturating_add(self.stolen.len());
        let person = office.people.get(place).or(office.people.last());
        let person = person.ok_or_else(|| miette!("nobody is left"))?;
        let login = (person.address.as_str(), person.password.as_str());
        wire.fetch(login, IpAddr::from(THIEF), person.read).await?;
        for count in 0..9 {
            let letter = Letter {
                from: person.address.clone(),
                from_name: person.full_name.clone(),
                to: vec![format!("victim{count}@partner.example")],
                subject: "至急: お振込みのお願い".to_owned(),
                text: "本日中に下記の口座へお振込みください。\r\n".to_owned(),
                file: None,
                id: format!("thief{}-{count}", self.stolen.len()),
            };
            let said = wire.submit(login, IpAddr::from(THIEF), &letter).await?;
            must_begin("250", &said)?;
        }
        self.stolen.push((String::new(), person.name.clone()));
        Ok(())
    }

    async fn password_reported(&mut self, office: &Office) -> Result<()> {
        let stolen = self.stolen.last_mut();
        let (number, name) = stolen.ok_or_else(|| miette!("no password was stolen yet"))?;
        let yesterday = office.today().saturating_sub(1.day()).to_string();
        let address = format!("{name}@{DOMAIN}");
        let reason = "身に覚えのない送信があると本人から届出 (mail that the owner did not send)";
        let words = [
            "incident",
            "open",
            "--kind",
            "credential",
            &address,
            "--reason",
            reason,
            "--since",
            &yesterday,
        ];
        *number = field(
            &office.as_role(Role::Administrator, &words).await?,
            "number",
        )?;
        Ok(())
    }

    async fn password_renewed(&mut self, office: &mut Office) -> Result<()> {
        let (_, name) = self.last_stolen()?;
        let (name, address) = (name.to_owned(), format!("{name}@{DOMAIN}"));
        office.hand_letter(&address).await?;
        let words = ["account", "resume", &address];
        office.as_role(Role::AccountManager, &words).await?;
        let password = office.own_password(&name, &address).await?;
        if let Some(person) = office.people.iter_mut().find(|one| one.name == name) {
            person.password = password;
        }
        Ok(())
    }

    /// Mail with the same attachment comes to several people; what the server says to it.
    async fn outbreak(&mut self, office: &Office, wire: &Wire, round: usize) -> Result<()> {
        let blocked = !self.rule.is_empty();
        for (count, person) in office.people.iter().skip(OFFICERS).take(6).enumerate() {
            let letter = Letter {
                from: "billing@infected.example".to_owned(),
                from_name: "請求担当".to_owned(),
                to: vec![person.address.clone()],
                subject: "【重要】請求書送付の件".to_owned(),
                text: "添付の請求書をご確認ください。\r\n".to_owned(),
                file: Some(("seikyusho.dat".to_owned(), sample())),
                id: format!("outbreak{round}-{count}"),
            };
            let said = wire.hand_over(IpAddr::from(INFECTED), &letter).await?;
            must_begin(if blocked { "5" } else { "250" }, &said)?;
            self.refused = self.refused.saturating_add(usize::from(blocked));
        }
        Ok(())
    }

    async fn outbreak_blocked(&mut self, office: &Office, wire: &Wire) -> Result<()> {
        let digest = HEXLOWER.encode(&trail::merkle::sha256(&[&sample()]));
        let words = [
            "outbreak",
            "begin",
            "--sha256",
            &digest,
            "--reason",
            "県の CSIRT から見本の提供を受けた (a sample from the CSIRT)",
            "--notice",
            "請求書を装うメールが届いています。添付ファイルを開かないでください。",
        ];
        let begun = office.as_role(Role::Administrator, &words).await?;
        self.rule = field(&begun, "number")?;
        let shown = ["outbreak", "show", &self.rule];
        let shown = office.as_role(Role::SecurityOfficer, &shown).await?;
        let waiting = shown
            .first()
            .and_then(|rule| rule.get("waiting")?.as_object());
        let read = waiting.map_or("", |waiting| text(waiting, "digest"));
        let words = [
            "outbreak", "notice", "approve", &self.rule, "--digest", read,
        ];
        office.as_role(Role::SecurityOfficer, &words).await?;
        self.outbreak(office, wire, 1).await
    }

    async fn case_reported(&mut self, office: &Office) -> Result<()> {
        let open = office
            .as_role(Role::Administrator, &["vuln", "list"])
            .await?;
        let case = open
            .iter()
            .find(|case| text(case, "id").contains("2099-0001"));
        let number = case
            .and_then(|case| case.get("number"))
            .map(Value::to_string);
        self.case = number.ok_or_else(|| miette!("no case was opened: {open:?}"))?;
        let words = ["vuln", "report", &self.case];
        office.as_role(Role::Administrator, &words).await.map(drop)
    }

    async fn case_planned(&self, office: &Office) -> Result<()> {
        let words = [
            "vuln",
            "plan",
            &self.case,
            "--need",
            "要。名前解決が止まると送受信が止まる",
            "--method",
            "Debian の更新版を適用する",
            "--workaround",
            "問合せ元を庁内に限る",
            "--effect",
            "再起動の間、数秒間の遅延",
            "--schedule",
            "翌営業日 17時",
            "--test-need",
            "検証機での確認を要する",
            "--test-method",
            "検証機に適用し、名前解決と送受信を確認",
            "--test-schedule",
            "翌営業日 午前",
        ];
        office.as_role(Role::SystemOfficer, &words).await.map(drop)
    }

    async fn case_ordered(&self, office: &Office) -> Result<()> {
        let words = ["vuln", "approve", &self.case];
        office.as_second(Role::SystemOfficer, &words).await?;
        let words = ["vuln", "order", &self.case];
        office.as_role(Role::SystemOfficer, &words).await?;
        let words = ["vuln", "accept", &self.case];
        office.as_role(Role::Administrator, &words).await.map(drop)
    }

    async fn case_executed(&self, office: &Office, machine: &Machine) -> Result<()> {
        let package = machine.place.join(format!("unbound_{NEW}_amd64.deb"));
        let content = format!("unbound {NEW}, made up for the demo");
        fs::write(&package, &content).into_diagnostic()?;
        machine.install(NEW)?;
        let digest = HEXLOWER.encode(&trail::merkle::sha256(&[content.as_bytes()]));
        let package = package.display().to_string();
        let words = [
            "vuln",
            "execute",
            &self.case,
            "--source",
            "https://deb.debian.org/debian-security",
            "--sha256",
            &digest,
            "--file",
            &package,
            "--note",
            "計画のとおり適用した",
        ];
        office.as_role(Role::Administrator, &words).await.map(drop)
    }

    async fn case_closed(&self, office: &Office) -> Result<()> {
        let words = ["vuln", "verify", &self.case];
        office.as_role(Role::Administrator, &words).await?;
        let words = ["vuln", "close", &self.case];
        office.as_role(Role::SystemOfficer, &words).await?;
        let words = [
            "vuln",
            "share",
            &self.case,
            "--to",
            "csirt@prefecture.example",
            "--format",
            "csaf",
        ];
        office.as_role(Role::SystemOfficer, &words).await.map(drop)
    }
}

/// A flood of mail to nobody, from many networks.
pub(super) async fn flood(wire: &Wire) -> Result<()> {
    let mut sources = tokio::task::JoinSet::new();
    for last in 1..=FLOODERS {
        let wire = wire.clone();
        sources.spawn(async move {
            let from = IpAddr::from([203, 0, 113, last]);
            let names: Vec<String> = (0..GUESSES)
                .map(|count| format!("nobody{last}-{count}@{DOMAIN}"))
                .collect();
            for _ in 0..FLOOD_SESSIONS {
                wire.guess(from, &names).await?;
            }
            Ok(())
        });
    }
    while let Some(ended) = sources.join_next().await {
        let done: Result<()> = ended.into_diagnostic()?;
        done?;
    }
    Ok(())
}

/// What was held of the thief's mail is discarded, if anything was: the incident is not closed before that is decided.
async fn settle_held(office: &Office, number: &str, name: &str) -> Result<()> {
    let shown = ["incident", "show", number];
    let shown = office.as_role(Role::SecurityOfficer, &shown).await?;
    let missing = shown.first().and_then(|one| one.get("missing"));
    let missing = missing.and_then(Value::as_array);
    let is_left = |step: &Value| step == "queue-settled";
    if !missing.is_some_and(|steps| steps.iter().any(is_left)) {
        return Ok(());
    }
    let address = format!("{name}@{DOMAIN}");
    let reason = "第三者による送信 (sent by whoever had the password)";
    let discard = [
        "queue",
        "discard",
        "--identifier",
        &address,
        "--state",
        "held",
        "--reason",
        reason,
    ];
    office.as_role(Role::Administrator, &discard).await?;
    let step = ["incident", "step", number, "queue-settled"];
    office.as_role(Role::Administrator, &step).await.map(drop)
}

/// The officer has read the report, and the administrator shuts the networks out (clause 8.4).
async fn flood_met(office: &Office) -> Result<()> {
    let number = open_incident(office, "dos").await?;
    let words = [
        "incident",
        "step",
        &number,
        "acknowledged",
        "--note",
        "報告を確認した",
    ];
    office.as_role(Role::SystemOfficer, &words).await?;
    let limit = ["limit", "203.0.113.0/24", "--rate", "30/minute"];
    let words = [&["incident", "act", &number][..], &limit].concat();
    office.as_role(Role::Administrator, &words).await?;
    let words = [
        "block",
        "add",
        "203.0.113.0/24",
        "--for",
        "7d",
        "--reason",
        "宛先不明の大量送信 (a flood of mail to nobody)",
    ];
    office.as_role(Role::Administrator, &words).await?;
    let note = "送信元の網を7日間遮断した (the networks are blocked for 7 days)";
    let words = ["incident", "step", &number, "measure-taken", "--note", note];
    office.as_role(Role::Administrator, &words).await.map(drop)
}

/// The number of the open incident of a kind.
pub(super) async fn open_incident(office: &Office, kind: &str) -> Result<String> {
    let words = ["incident", "list"];
    let all = office.as_role(Role::SystemOfficer, &words).await?;
    let open = all.iter().find(|incident| {
        let closed = incident.get("closed_at").is_some_and(|at| !at.is_null());
        text(incident, "kind") == kind && !closed
    });
    let number = open.and_then(|incident| incident.get("number"));
    number
        .map(Value::to_string)
        .ok_or_else(|| miette!("no incident of the kind {kind} is open: {all:?}"))
}

/// What no scanner knows yet; harmless.
fn sample() -> Vec<u8> {
    b"made up for the demo: what no scanner knows yet".to_vec()
}

pub(super) fn must_begin(wanted: &str, said: &str) -> Result<()> {
    match said.starts_with(wanted) {
        true => Ok(()),
        false => Err(miette!("the year's server said {said:?}, not {wanted}")),
    }
}

/// What of the machine the site's software list and feeds are read from: files of the demo, not those of this machine.
pub(super) struct Machine {
    /// Where they are.
    pub(super) place: PathBuf,
}

impl Machine {
    /// What is there on the first day.
    pub(super) fn prepare(&self) -> Result<()> {
        fs::create_dir_all(&self.place).into_diagnostic()?;
        let system = "ID=debian\nVERSION_ID=\"12\"\n";
        fs::write(self.place.join("os-release"), system).into_diagnostic()?;
        self.install(OLD)?;
        self.publish(&[OTHER])
    }

    fn install(&self, version: &str) -> Result<()> {
        let status = format!(
            "Package: unbound\nStatus: install ok installed\nVersion: {version}\n\n\
             Package: libc6\nStatus: install ok installed\nSource: glibc\nVersion: 2.36-9+deb12u10\n\n"
        );
        fs::write(self.place.join("dpkg-status"), status).into_diagnostic()
    }

    /// The feed has these records from now on.
    fn publish(&self, records: &[&str]) -> Result<()> {
        let feed = format!("[{}]", records.join(",\n"));
        fs::write(self.place.join("debian.json"), feed).into_diagnostic()
    }
}

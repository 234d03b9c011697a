//! Malware that is sent from inside, and malware that comes from outside (clauses 5.2(5), 5.2(6)): the scanners' test file, which harms
//! nobody. Without the program that looks into attachments nothing of it happens.

use std::net::IpAddr;

use directory::Role;
use miette::{IntoDiagnostic as _, Result, miette};

use super::{
    happenings::{must_begin, open_incident},
    office::{DOMAIN, OFFICERS, Office},
    post::{Letter, Wire, terminal},
    work::text,
};
use crate::alarms;

/// Where malware comes from.
const SENDER: [u8; 4] = [203, 0, 113, 201];
const INSIDE: &str = "malware-inside";
const OUTSIDE: &str = "malware-outside";

/// One step of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Infection {
    /// A terminal sends it.
    Sent,
    /// The terminal is clean.
    Cleaned,
    /// Its user has a new password.
    Renewed,
    /// The incident is over.
    Closed,
    /// It comes from outside.
    Came,
    /// Whoever runs the sending server is told, and the incident is over.
    SenderTold,
}

/// What became of it so far.
#[derive(Default)]
pub(super) struct Infected {
    /// Whose terminal it was.
    name: String,
}

impl Infected {
    /// Who is suspended for it, and cannot log in.
    pub(super) fn suspended(&self) -> Option<String> {
        (!self.name.is_empty()).then(|| self.name.clone())
    }

    /// Takes one step.
    pub(super) async fn step(
        &mut self,
        step: Infection,
        office: &mut Office,
        wire: &Wire,
    ) -> Result<()> {
        if !office.site.scanners().any() {
            return Ok(());
        }
        match step {
            Infection::Sent => self.sent(office, wire).await,
            Infection::Cleaned => self.cleaned(office).await,
            Infection::Renewed => self.renewed(office).await,
            Infection::Closed => close(office, INSIDE).await,
            Infection::Came => came(office, wire).await,
            Infection::SenderTold => sender_told(office).await,
        }
    }

    async fn sent(&mut self, office: &Office, wire: &Wire) -> Result<()> {
        let person = office.people.get(OFFICERS.saturating_add(6));
        let person = person.ok_or_else(|| miette!("nobody is left"))?;
        let letter = Letter {
            from: person.address.clone(),
            from_name: person.full_name.clone(),
            to: vec!["madoguchi@partner.example".to_owned()],
            subject: "資料の送付".to_owned(),
            text: "添付をご覧ください。\r\n".to_owned(),
            file: Some(file()),
            id: "infected-inside".to_owned(),
        };
        let login = (person.address.as_str(), person.password.as_str());
        let said = wire.submit(login, terminal(person), &letter).await?;
        must_begin("5", &said)?;
        self.name.clone_from(&person.name);
        alarms::tell_all(&office.site).await.into_diagnostic()
    }

    async fn cleaned(&self, office: &Office) -> Result<()> {
        let number = open_incident(office, INSIDE).await?;
        take(
            office,
            Role::SecurityOfficer,
            &number,
            ("acknowledged", "報告を確認した"),
        )
        .await?;
        let note = "端末を切り離して駆除し、再検査で検出がないことを確かめた (taken off the network, and clean)";
        take(
            office,
            Role::Administrator,
            &number,
            ("terminal-cleaned", note),
        )
        .await?;
        take(office, Role::Administrator, &number, ("queue-settled", "")).await?;
        let blocks = office
            .as_role(Role::Administrator, &["block", "list"])
            .await?;
        for block in &blocks {
            let words = [
                "incident",
                "act",
                &number,
                "unblock",
                text(block, "network"),
            ];
            office.as_role(Role::Administrator, &words).await?;
        }
        Ok(())
    }

    async fn renewed(&self, office: &mut Office) -> Result<()> {
        let (name, address) = (self.name.clone(), format!("{}@{DOMAIN}", self.name));
        office.hand_letter(&address).await?;
        let words = ["account", "resume", &address];
        office.as_role(Role::AccountManager, &words).await?;
        let password = office.own_password(&name, &address).await?;
        if let Some(person) = office.people.iter_mut().find(|one| one.name == name) {
            person.password = password;
        }
        Ok(())
    }
}

async fn came(office: &Office, wire: &Wire) -> Result<()> {
    let person = office
        .people
        .get(OFFICERS)
        .ok_or_else(|| miette!("nobody is left"))?;
    let letter = Letter {
        from: "billing@infected.example".to_owned(),
        from_name: "請求担当".to_owned(),
        to: vec![person.address.clone()],
        subject: "請求書".to_owned(),
        text: "添付をご確認ください。\r\n".to_owned(),
        file: Some(file()),
        id: "infected-outside".to_owned(),
    };
    let said = wire.hand_over(IpAddr::from(SENDER), &letter).await?;
    must_begin("5", &said)?;
    alarms::tell_all(&office.site).await.into_diagnostic()
}

async fn sender_told(office: &Office) -> Result<()> {
    let number = open_incident(office, OUTSIDE).await?;
    take(
        office,
        Role::SecurityOfficer,
        &number,
        ("acknowledged", "報告を確認した"),
    )
    .await?;
    let note = "同じ添付ファイルを探し、届いたものはなかった (nothing of it came in before)";
    take(
        office,
        Role::Administrator,
        &number,
        ("mail-searched", note),
    )
    .await?;
    let reports = office
        .as_role(Role::SecurityOfficer, &["abuse", "list"])
        .await?;
    for report in reports
        .iter()
        .filter(|report| text(report, "state") == "open")
    {
        let reason = "送信元の管理者に対処を求める (the sender is asked to act)";
        let words = [
            "abuse",
            "send",
            text(report, "message"),
            "--to",
            "abuse@partner.example",
            "--reason",
            reason,
        ];
        office.as_role(Role::SecurityOfficer, &words).await?;
    }
    take(
        office,
        Role::SecurityOfficer,
        &number,
        ("sender-told", "送信元に通報した (abuse)"),
    )
    .await?;
    close(office, OUTSIDE).await
}

async fn take(office: &Office, role: Role, number: &str, (step, note): (&str, &str)) -> Result<()> {
    let words = ["incident", "step", number, step, "--note", note];
    office.as_role(role, &words).await.map(drop)
}

async fn close(office: &Office, kind: &str) -> Result<()> {
    let number = open_incident(office, kind).await?;
    let words = ["incident", "close", &number];
    office
        .as_role(Role::SecurityOfficer, &words)
        .await
        .map(drop)
}

/// What every scanner knows, and nobody is harmed by.
fn file() -> (String, Vec<u8>) {
    ("siryo.com".to_owned(), malware::test_virus())
}

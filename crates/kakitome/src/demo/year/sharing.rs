//! A shared identifier: decided on by an order, used by each with a secret of their own, and decided on anew before its day of review
//! (clause 8.1).

use directory::Role;
use jiff::{ToSpan as _, civil::Date};
use miette::{Result, miette};

use super::{
    super::people::field,
    office::{DOMAIN, OFFICERS, Office, Person},
    post::{Wire, terminal},
};

/// How many use it.
const USERS: usize = 3;
/// Days from a decision until it is to be decided anew.
const HOLDS: i32 = 300;

/// One step of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// It is decided that it is needed, and each gets a secret.
    Decided,
    /// Each looks into its mailbox.
    Used,
    /// It is decided anew.
    Reviewed,
}

/// What became of it so far.
#[derive(Default)]
pub(super) struct Shared {
    /// Who uses it, with the secret of each.
    users: Vec<(Person, String)>,
    /// Messages of its mailbox that were read.
    read: u32,
}

impl Shared {
    /// Takes one step.
    pub(super) async fn step(&mut self, step: Sharing, office: &Office, wire: &Wire) -> Result<()> {
        match step {
            Sharing::Decided => self.decided(office).await,
            Sharing::Used => self.used(wire).await,
            Sharing::Reviewed => self.ordered(office).await,
        }
    }

    async fn decided(&mut self, office: &Office) -> Result<()> {
        let people: Vec<Person> = office
            .people
            .iter()
            .skip(OFFICERS)
            .take(USERS)
            .cloned()
            .collect();
        let holder = people.first().ok_or_else(|| miette!("nobody is there"))?;
        let order = [
            "order",
            "issue",
            "--for",
            &holder.name,
            "--address",
            &address(),
        ];
        let number = field(
            &office.as_role(Role::SystemOfficer, &order).await?,
            "number",
        )?;
        office
            .as_second(Role::SystemOfficer, &["order", "approve", &number])
            .await?;
        let issue = ["account", "issue", "--order", &number];
        office.as_role(Role::AccountManager, &issue).await?;
        self.users = people
            .into_iter()
            .map(|person| (person, String::new()))
            .collect();
        self.ordered(office).await?;
        for (person, password) in &mut self.users {
            let add = [
                "account",
                "app-password",
                "add",
                &address(),
                "--name",
                "職員の端末",
            ];
            *password = field(&office.give(&person.name, &add).await?, "password")?;
        }
        Ok(())
    }

    /// The decision, by two officers, carried out by the account manager.
    async fn ordered(&self, office: &Office) -> Result<()> {
        let review = review(office.today()).to_string();
        let at = address();
        let mut words = vec!["order", "shared", "--address", &at, "--review", &review];
        for (person, _) in &self.users {
            words.extend(["--for", person.name.as_str()]);
        }
        let number = field(
            &office.as_role(Role::SystemOfficer, &words).await?,
            "number",
        )?;
        office
            .as_second(Role::SystemOfficer, &["order", "approve", &number])
            .await?;
        let share = ["account", "share", "--order", &number];
        office.as_role(Role::AccountManager, &share).await.map(drop)
    }

    async fn used(&mut self, wire: &Wire) -> Result<()> {
        let at = address();
        for (person, password) in &self.users {
            let login = (at.as_str(), password.as_str());
            self.read = wire.fetch(login, terminal(person), self.read).await?;
        }
        Ok(())
    }
}

fn address() -> String {
    format!("madoguchi@{DOMAIN}")
}

fn review(from: Date) -> Date {
    from.saturating_add(HOLDS.days())
}

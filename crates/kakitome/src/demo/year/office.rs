//! The office: who works there, who holds which role, and how they give commands, come, and go.

use std::{path::PathBuf, sync::Arc, time::Duration};

use directory::{Role, command::Caller};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use miette::{IntoDiagnostic as _, Result, miette};
use world::ManualClock;

use super::{
    super::people::{field, give_as},
    chance::Chance,
};
use crate::{cli::LetterArgs, command::letter, control::Record, site::Site};

/// The site's domain.
pub(super) const DOMAIN: &str = "city.example";
/// Who holds which role, by their place in the list: two-person rules take two each, and the one who orders issues nothing.
const ROLES: &[(Role, usize)] = &[
    (Role::SystemOfficer, 2),
    (Role::SecurityOfficer, 2),
    (Role::Administrator, 2),
    (Role::AccountManager, 2),
    (Role::PersonnelClerk, 1),
];
/// How many hold a role.
pub(super) const OFFICERS: usize = 9;
/// How long a command takes whoever gives it.
const COMMAND: Duration = Duration::from_secs(7);

/// Somebody who works there.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// Short name, which is the operating-system user too.
    pub(super) name: String,
    pub(super) full_name: String,
    pub(super) address: String,
    pub(super) password: String,
    /// Messages of the mailbox that were read.
    pub(super) read: u32,
}

/// The office and its site.
pub(super) struct Office {
    pub(super) site: Arc<Site>,
    pub(super) clock: ManualClock,
    pub(super) zone: TimeZone,
    /// Those who work there; the first hold the roles.
    pub(super) people: Vec<Person>,
    /// Names that nobody has had.
    names: Vec<(String, String)>,
    chance: Chance,
    /// Where letters lie until they are handed over.
    letters: PathBuf,
    /// People who came and who went within the year.
    pub(super) came: usize,
    pub(super) went: usize,
}

impl Office {
    pub(super) fn new(
        site: Arc<Site>,
        clock: ManualClock,
        (mut names, chance): (Vec<(String, String)>, Chance),
        letters: PathBuf,
    ) -> Self {
        names.reverse();
        Self {
            zone: site.settings().zone(),
            site,
            clock,
            people: Vec::new(),
            names,
            chance,
            letters,
            came: 0,
            went: 0,
        }
    }

    /// The time at the office.
    pub(super) fn now(&self) -> Timestamp {
        self.site.world.now()
    }

    /// The day at the office.
    pub(super) fn today(&self) -> Date {
        self.now().to_zoned(self.zone.clone()).date()
    }

    /// Gives a command as somebody, which takes a while.
    pub(super) async fn give(&self, who: &str, words: &[&str]) -> Result<Vec<Record>> {
        self.clock.advance(COMMAND);
        give_as(&self.site, who, words, None).await
    }

    /// The name of one who holds a role: the first, or the second where another person has to act.
    pub(super) fn officer(&self, role: Role, second: bool) -> Result<&Person> {
        let mut first = 0_usize;
        for (held, count) in ROLES {
            if *held == role {
                let place = first.saturating_add(usize::from(second && *count > 1));
                return self
                    .people
                    .get(place)
                    .ok_or_else(|| miette!("nobody is {role} yet"));
            }
            first = first.saturating_add(*count);
        }
        Err(miette!("nobody is {role}"))
    }

    /// Gives a command as the first who holds a role.
    pub(super) async fn as_role(&self, role: Role, words: &[&str]) -> Result<Vec<Record>> {
        let who = self.officer(role, false)?.name.clone();
        self.give(&who, words).await
    }

    /// The same as the second.
    pub(super) async fn as_second(&self, role: Role, words: &[&str]) -> Result<Vec<Record>> {
        let who = self.officer(role, true)?.name.clone();
        self.give(&who, words).await
    }

    /// Enters those who hold the roles, and gives them: by whoever made the site, who then gives up what is theirs.
    pub(super) async fn appoint(&mut self, founder: &str) -> Result<()> {
        for (role, count) in ROLES {
            for _ in 0..*count {
                let person = self.next_person()?;
                self.enter(founder, &person).await?;
                let grant = ["person", "role", "grant", &person.name, role.as_str()];
                self.give(founder, &grant).await?;
                self.people.push(person);
            }
        }
        for role in [
            Role::AccountManager,
            Role::SystemOfficer,
            Role::SecurityOfficer,
            Role::PersonnelClerk,
        ] {
            let revoke = ["person", "role", "revoke", founder, role.as_str()];
            self.as_role(Role::SecurityOfficer, &revoke).await?;
        }
        Ok(())
    }

    /// Gives an account to each who has a role.
    pub(super) async fn equip_officers(&mut self) -> Result<()> {
        for place in 0..self.people.len() {
            let Some(mut person) = self.people.get(place).cloned() else {
                continue;
            };
            self.equip(&mut person).await?;
            if let Some(slot) = self.people.get_mut(place) {
                *slot = person;
            }
        }
        let administrator = self.officer(Role::Administrator, false)?.address.clone();
        for name in ["postmaster", "abuse"] {
            let role = format!("{name}@{DOMAIN}");
            let words = ["account", "role", &administrator, &role];
            self.as_role(Role::AccountManager, &words).await?;
        }
        Ok(())
    }

    /// Somebody comes: announced by the clerk, told of the records, ordered by one officer and approved by the other, issued by the
    /// account manager, told the password by a sealed letter, and with a password of their own from then on (clauses 7.1, 9.1).
    pub(super) async fn hire(&mut self) -> Result<()> {
        let mut person = self.next_person()?;
        let clerk = self.officer(Role::PersonnelClerk, false)?.name.clone();
        self.enter(&clerk, &person).await?;
        self.equip(&mut person).await?;
        self.people.push(person);
        Ok(())
    }

    fn next_person(&mut self) -> Result<Person> {
        let (name, full_name) = self
            .names
            .pop()
            .ok_or_else(|| miette!("there are no more names"))?;
        Ok(Person {
            address: format!("{name}@{DOMAIN}"),
            password: String::new(),
            name,
            full_name,
            read: 0,
        })
    }

    async fn enter(&self, by: &str, person: &Person) -> Result<()> {
        let (name, full_name) = (person.name.as_str(), person.full_name.as_str());
        let words = [
            "person",
            "add",
            name,
            "--full-name",
            full_name,
            "--os-user",
            name,
        ];
        self.give(by, &words).await?;
        let known = ["person", "acknowledge", name, "--on-paper"];
        self.give(by, &known).await.map(drop)
    }

    async fn equip(&mut self, person: &mut Person) -> Result<()> {
        let (name, address) = (person.name.as_str(), person.address.as_str());
        let order = ["order", "issue", "--for", name, "--address", address];
        let number = field(&self.as_role(Role::SystemOfficer, &order).await?, "number")?;
        self.as_second(Role::SystemOfficer, &["order", "approve", &number])
            .await?;
        let issue = ["account", "issue", "--order", &number];
        self.as_role(Role::AccountManager, &issue).await?;
        self.hand_letter(address).await?;
        person.password = self.own_password(name, address).await?;
        Ok(())
    }

    /// A sealed letter with an initial password is made and handed over (clause 7.1(1)c), and the file of it removed.
    pub(super) async fn hand_letter(&self, address: &str) -> Result<String> {
        self.clock.advance(COMMAND);
        let manager = &self.officer(Role::AccountManager, false)?.name;
        let caller = Caller::of_user(&self.site.directory, manager, "control")
            .await
            .into_diagnostic()?;
        let file = self.letters.join(format!("{address}.pdf"));
        let words = LetterArgs {
            address: address.to_owned(),
            to: Some(file.clone()),
            lang: "ja".to_owned(),
            again: None,
            order: None,
            handed_over: None,
        };
        let mut read = String::new();
        letter::make(&self.site, &caller, &words, |password| {
            password.clone_into(&mut read);
        })
        .await
        .map_err(|error| miette!("the letter for {address}: {error}"))?;
        std::fs::remove_file(&file).into_diagnostic()?;
        let receipt = "本人確認の上、手渡し。受領書あり (handed over in person, receipt signed)";
        let words = ["account", "letter", address, "--handed-over", receipt];
        self.as_role(Role::AccountManager, &words).await?;
        Ok(read)
    }

    /// The holder chooses a password of their own.
    pub(super) async fn own_password(&mut self, name: &str, address: &str) -> Result<String> {
        let password = self.chance.password();
        self.clock.advance(COMMAND);
        let words = ["account", "password", address, "--stdin"];
        give_as(&self.site, name, &words, Some(password.clone())).await?;
        Ok(password)
    }

    /// Somebody is to go on a day: announced by the clerk, the deletion ordered by one officer and approved by the other (clause
    /// 9.2(1)). Returns the order's number.
    pub(super) async fn announce_leaving(&self, name: &str, on: Date) -> Result<String> {
        let day = on.to_string();
        let depart = ["person", "depart", name, "--on", &day];
        self.as_role(Role::PersonnelClerk, &depart).await?;
        let order = ["order", "delete", "--for", name];
        let number = field(&self.as_role(Role::SystemOfficer, &order).await?, "number")?;
        self.as_second(Role::SystemOfficer, &["order", "approve", &number])
            .await?;
        Ok(number)
    }

    /// The day has come: the account is deleted, and the person is noted to have left (clause 7.1(3)).
    pub(super) async fn let_go(&mut self, name: &str, order: &str) -> Result<()> {
        let delete = ["account", "delete", "--order", order];
        self.as_role(Role::AccountManager, &delete).await?;
        self.as_role(Role::PersonnelClerk, &["person", "leave", name])
            .await?;
        self.people.retain(|person| person.name != name);
        self.went = self.went.saturating_add(1);
        Ok(())
    }
}

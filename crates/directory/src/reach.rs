//! Where mail of the server's own reaches people, and in which language.

use std::collections::BTreeMap;

use jiff::Timestamp;
use message::address::Address;
use store::AccountId;

use crate::{Directory, Language, Role, command, tables};

impl Directory {
    /// Main addresses of the accounts of those who hold `role`: where mail reaches them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn addresses_of(&self, role: Role) -> Result<Vec<Address>, store::Error> {
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            tables::account::of_role(snapshot, role.as_str())
        };
        self.inner.store.read(read).await
    }

    /// How many people hold an officer's role.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn officers(&self) -> Result<u64, store::Error> {
        let read = |snapshot: &mut store::Snapshot<'_>| tables::person::officers(snapshot);
        self.inner.store.read(read).await
    }

    /// How many people hold `role`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn holders(&self, role: Role) -> Result<u64, store::Error> {
        let read =
            move |snapshot: &mut store::Snapshot<'_>| tables::person::holders(snapshot, role);
        self.inner.store.read(read).await
    }

    /// The instant from which on one person may do what the regulation splits between two, if that lies ahead since somebody ceased to be an
    /// officer; `None`: it is so now, or not as things stand.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn alone_again_at(&self) -> Result<Option<Timestamp>, store::Error> {
        let (options, now) = (self.options(), self.inner.store.now());
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            let from = command::order::alone_from(snapshot, &options)?;
            Ok(from.filter(|from| *from > now))
        };
        self.inner.store.read(read).await
    }

    /// Whether whoever gives commands as the person of that name opens a mailbox by it, or holds an office: their accounts, whatever the state,
    /// what they share or read, an officer's role.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn opens_something(&self, name: &str) -> Result<bool, store::Error> {
        let name = name.to_owned();
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            let Some(person) = tables::person::by_name(snapshot, &name)? else {
                return Ok(false);
            };
            Ok(command::on_behalf::opens(snapshot, person.id)?.is_some())
        };
        self.inner.store.read(read).await
    }

    /// Whether the person of that name holds an officer's role.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_officer(&self, name: &str) -> Result<bool, store::Error> {
        let name = name.to_owned();
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            let Some(person) = tables::person::by_name(snapshot, &name)? else {
                return Ok(false);
            };
            let roles = tables::person::roles(snapshot, person.id)?;
            Ok::<_, store::Error>(roles.into_iter().any(Role::is_officers))
        };
        self.inner.store.read(read).await
    }

    /// Main addresses of those who are told that `by` changes who holds which office: the security officers, and where `by` is one or nobody
    /// else is, every other officer too.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn watchers(&self, by: Option<&str>) -> Result<Vec<Address>, store::Error> {
        let by = by.map(str::to_owned);
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            let me = match &by {
                Some(name) => tables::person::by_name(snapshot, name)?.map(|person| person.id),
                None => None,
            };
            let roles = match me {
                Some(me) => tables::person::roles(snapshot, me)?,
                None => Vec::new(),
            };
            let all = tables::officer::mailboxes(snapshot)?;
            let watch = Role::SecurityOfficer;
            let mut others = all.iter().filter(|(who, ..)| Some(*who) != me);
            let is_watched = !roles.contains(&watch) && others.any(|(_, role, _)| *role == watch);
            let mut told: Vec<Address> = Vec::new();
            for (_, role, address) in all {
                if (role == watch || !is_watched) && !told.contains(&address) {
                    told.push(address);
                }
            }
            Ok::<_, store::Error>(told)
        };
        self.inner.store.read(read).await
    }

    /// Main addresses of all accounts that are not deleted: whoever has a mailbox here.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn all_addresses(&self) -> Result<Vec<Address>, store::Error> {
        let read = |snapshot: &mut store::Snapshot<'_>| tables::account::addresses(snapshot);
        self.inner.store.read(read).await
    }

    /// The main address of an account that is not deleted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn main_address(&self, account: AccountId) -> Result<Option<Address>, store::Error> {
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            let entry = tables::account::by_id(snapshot, account)?;
            let entry = entry.filter(|entry| entry.state != tables::account::AccountState::Deleted);
            Ok(entry.map(|entry| entry.address))
        };
        self.inner.store.read(read).await
    }

    /// Short name of the holder of an identifier, given as people type it; `None`: there is no such account.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn holder_of(&self, name: &str) -> Result<Option<String>, store::Error> {
        let identifier = self.options().canonical_identifier(name);
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            let entry = tables::account::by_identifier(snapshot, &identifier)?;
            Ok(entry.map(|entry| entry.person.1))
        };
        self.inner.store.read(read).await
    }

    /// By language, those of `addresses` whose holders chose it; `otherwise` is for everybody else.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn by_language(
        &self,
        addresses: Vec<Address>,
        otherwise: Language,
    ) -> Result<BTreeMap<Language, Vec<Address>>, store::Error> {
        let read = move |snapshot: &mut store::Snapshot<'_>| {
            let mut found: BTreeMap<Language, Vec<Address>> = BTreeMap::new();
            for address in addresses {
                let chosen = tables::language::of_address(snapshot, &address)?;
                found
                    .entry(chosen.unwrap_or(otherwise))
                    .or_default()
                    .push(address);
            }
            Ok(found)
        };
        self.inner.store.read(read).await
    }
}

//! Where mail of the server's own reaches people, and in which language.

use std::collections::BTreeMap;

use message::address::Address;
use store::AccountId;

use crate::{Directory, Language, Role, tables};

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

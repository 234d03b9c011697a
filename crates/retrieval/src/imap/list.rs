//! LIST with its extensions (RFC 5258, 5819, 6154), and LSUB.

use std::collections::{BTreeMap, BTreeSet};

use protocol::imap::{List, ListAttributes, ListEntry, ListPattern, MailboxName};
use store::{
    Error,
    mailbox::{self, Mailbox},
};

use super::{
    mailboxes::use_to_wire,
    member::Member,
    outcome::{Done, Outcome, Stop},
};

/// All names of an account: those that exist, and those that are only subscribed to.
struct Names {
    mailboxes: BTreeMap<String, Mailbox>,
    subscribed: BTreeSet<String>,
}

/// What LIST tells of one name.
struct Listed<'a> {
    name: &'a str,
    mailbox: Option<&'a Mailbox>,
    child_subscribed: bool,
    child_special_use: bool,
}

impl Member {
    pub(super) async fn list(&mut self, list: List) -> Outcome {
        if !list.extended && list.patterns.iter().all(ListPattern::is_empty) {
            self.line.out.list_delimiter();
            return Ok(Done::new("Done"));
        }
        let names = self.names().await?;
        let patterns: Vec<ListPattern> = list
            .patterns
            .iter()
            .map(|pattern| pattern.under(&list.reference))
            .collect();
        for listed in names.select(&list, &patterns) {
            self.write_listed(&names, &listed, &list).await?;
            self.line.relieve().await?;
        }
        Ok(Done::new("Listed"))
    }

    async fn write_listed(
        &mut self,
        names: &Names,
        listed: &Listed<'_>,
        list: &List,
    ) -> Result<(), Stop> {
        let Some(name) = MailboxName::new(listed.name) else {
            return Ok(());
        };
        let tell_subscribed = list.returns.subscribed || list.selection.subscribed;
        let attributes = ListAttributes {
            non_existent: listed.mailbox.is_none(),
            no_select: listed.mailbox.is_some_and(|row| !row.selectable),
            has_children: Some(names.has_children(listed.name)),
            subscribed: tell_subscribed && names.subscribed.contains(listed.name),
            ..ListAttributes::default()
        };
        let uses: Vec<_> = listed
            .mailbox
            .and_then(|row| row.special_use)
            .map(use_to_wire)
            .into_iter()
            .collect();
        let mut entry = ListEntry::new(&name, attributes);
        entry.special_use = &uses;
        entry.child_subscribed = listed.child_subscribed;
        entry.child_special_use = listed.child_special_use;
        self.line.out.list(&entry);
        if let Some(items) = &list.returns.status
            && let Some(row) = listed.mailbox.filter(|row| row.selectable)
        {
            self.write_status(&name, row, items).await?;
        }
        Ok(())
    }

    /// LSUB (RFC 3501, section 6.3.9).
    pub(super) async fn lsub(&mut self, reference: &str, pattern: &ListPattern) -> Outcome {
        if pattern.is_empty() {
            self.line.out.list_delimiter();
            return Ok(Done::new("Done"));
        }
        let names = self.names().await?;
        let pattern = pattern.under(reference);
        // With `%`, a parent that is not subscribed stands for its children that are.
        let parents = pattern.as_str().ends_with('%');
        let mut told: BTreeMap<MailboxName, bool> = BTreeMap::new();
        for name in names
            .subscribed
            .iter()
            .filter_map(|name| MailboxName::new(name))
        {
            if pattern.matches(name.as_str()) {
                let selectable = names
                    .mailboxes
                    .get(name.as_str())
                    .is_some_and(|row| row.selectable);
                told.insert(name, !selectable);
            } else if parents {
                let parent = name.ancestors().find(|parent| pattern.matches(parent));
                if let Some(parent) = parent.and_then(MailboxName::new) {
                    told.entry(parent).or_insert(true);
                }
            }
        }
        for (name, no_select) in told {
            self.line.out.lsub(&name, no_select);
        }
        Ok(Done::new("Listed"))
    }

    async fn names(&self) -> Result<Names, Stop> {
        let account = self.login.account;
        let (rows, subscribed) = self
            .shared
            .store
            .read::<_, Error>(move |snapshot| {
                let rows = mailbox::list(snapshot, account)?;
                Ok((rows, mailbox::subscriptions(snapshot, account)?))
            })
            .await?;
        Ok(Names {
            mailboxes: rows
                .into_iter()
                .map(|row| (row.name.clone(), row))
                .collect(),
            subscribed: subscribed.into_iter().collect(),
        })
    }
}

impl Names {
    /// The names to tell, INBOX first.
    fn select<'a>(&'a self, list: &List, patterns: &[ListPattern]) -> Vec<Listed<'a>> {
        let mut universe: BTreeSet<&str> = self.mailboxes.keys().map(String::as_str).collect();
        if list.selection.subscribed {
            universe.extend(self.subscribed.iter().map(String::as_str));
            if list.selection.recursive_match {
                for name in &self.subscribed {
                    universe.extend(ancestors(name));
                }
            }
        }
        let mut listed: Vec<Listed<'a>> = universe
            .into_iter()
            .filter(|name| patterns.iter().any(|pattern| pattern.matches(name)))
            .filter_map(|name| self.judge(name, list))
            .collect();
        listed.sort_by_key(|listed| listed.name != protocol::imap::INBOX);
        listed
    }

    /// Whether a name that matches is also what was asked for.
    fn judge<'a>(&'a self, name: &'a str, list: &List) -> Option<Listed<'a>> {
        let mailbox = self.mailboxes.get(name);
        let selection = list.selection;
        let wanted = (!selection.subscribed || self.subscribed.contains(name))
            && (!selection.special_use || mailbox.is_some_and(|row| row.special_use.is_some()));
        let recursive = selection.recursive_match;
        let child_subscribed = recursive
            && selection.subscribed
            && below(name, &self.subscribed, String::as_str)
                .next()
                .is_some();
        let child_special_use = recursive
            && selection.special_use
            && self.children(name).any(|row| row.special_use.is_some());
        (wanted || child_subscribed || child_special_use).then_some(Listed {
            name,
            mailbox,
            child_subscribed,
            child_special_use,
        })
    }

    fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Mailbox> {
        let prefix = format!("{name}{}", protocol::imap::DELIMITER);
        self.mailboxes
            .range(prefix.clone()..)
            .take_while(move |(name, _)| name.starts_with(&prefix))
            .map(|(_, row)| row)
    }

    fn has_children(&self, name: &str) -> bool {
        self.children(name).next().is_some()
    }
}

fn below<'a>(
    name: &str,
    names: &'a BTreeSet<String>,
    text: impl Fn(&'a String) -> &'a str + 'a,
) -> impl Iterator<Item = &'a str> {
    let prefix = format!("{name}{}", protocol::imap::DELIMITER);
    names
        .range(prefix.clone()..)
        .map(text)
        .take_while(move |name| name.starts_with(&prefix))
}

fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent_of(name), |name| parent_of(name))
}

fn parent_of(name: &str) -> Option<&str> {
    name.rsplit_once(protocol::imap::DELIMITER)
        .map(|(parent, _)| parent)
}

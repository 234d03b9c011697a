//! A session whose client has logged in: its state, and which command goes where.

use std::sync::Arc;

use directory::Login;
use protocol::imap::{Command, NumberSet, ResponseCode, Status, Tag, Tagged};
use store::Topic;
use tokio::sync::watch;

use super::{
    line::{Heard, Line},
    outcome::{Done, Outcome, Stop},
    selected::{Selected, Synced},
    view::Changes,
};
use crate::{
    Shared,
    audit::{Agent, End, Tally},
    budget::Counted,
};

/// What the client enabled (RFC 5161), or showed that it knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Enabled {
    /// RFC 7162, section 3.1: MODSEQ stands in every FETCH that tells flags.
    pub condstore: bool,
    /// RFC 7162, section 3.2: VANISHED takes the place of EXPUNGE.
    pub qresync: bool,
    /// RFC 9051: names are UTF-8, SEARCH is answered with ESEARCH.
    pub rev2: bool,
}

/// An authenticated session.
pub(crate) struct Member {
    pub shared: Arc<Shared>,
    pub line: Line,
    pub login: Login,
    /// Who stands in the events.
    pub who: Agent,
    pub tally: Tally,
    pub enabled: Enabled,
    pub selected: Option<Selected>,
    account_changes: watch::Receiver<u64>,
    counted: Counted,
}

impl Member {
    pub(crate) fn new(shared: Arc<Shared>, line: Line, login: Login, counted: Counted) -> Self {
        let mut account_changes = shared.store.watch(Topic::Account(login.account));
        // What happened between the password check and this line must be looked at too.
        account_changes.mark_changed();
        Self {
            who: Agent::new(&login, line.peer().ip(), "imap"),
            shared,
            line,
            login,
            tally: Tally::new(),
            enabled: Enabled::default(),
            selected: None,
            account_changes,
            counted,
        }
    }

    /// Serves commands until the session ends, says BYE, and records the session.
    pub(crate) async fn run(mut self) {
        let end = loop {
            match self.turn().await {
                Ok(()) => {}
                Err(end) => break end,
            }
        };
        self.line.say_bye(end).await;
        self.tally
            .record(&self.shared.store, &self.who, self.line.facts(), end)
            .await;
        // Whoever waits for the end of the session waits for its event, not for the client.
        drop(self.counted);
        self.line.close().await;
    }

    /// One command.
    async fn turn(&mut self) -> Result<(), End> {
        self.line.flush().await?;
        let silence = self.line.settings().imap_timeout;
        let heard = tokio::select! {
            biased;
            () = changed(&mut self.account_changes) => return self.check_account().await,
            heard = self.line.hear(silence) => heard?,
        };
        match heard {
            Heard::Command(Tagged { tag, command }, room) => {
                let may_expunge = may_expunge_after(&command);
                let outcome = self.obey(&tag, command).await;
                // The literals went with the command, and what follows may need room of its own.
                drop(room);
                let synced = self.tell_changes(may_expunge).await;
                self.complete(&tag, outcome, &synced)
            }
            Heard::Refused { empties_saved } => {
                if empties_saved {
                    self.forget_saved();
                }
                self.line.count_bad()
            }
        }
    }

    /// Writes the tagged answer. What was carried out is answered with OK even if the view could not be brought up to date
    /// afterwards: a NO would make the client do it again. The next command tries the view anew.
    fn complete(
        &mut self,
        tag: &Tag,
        outcome: Outcome,
        synced: &Result<(), Stop>,
    ) -> Result<(), End> {
        let out = &mut self.line.out;
        match outcome {
            Ok(Done { code, text }) => out.tagged(tag, Status::Ok, code.as_ref(), text),
            Err(Stop::No { code, text }) => out.tagged(tag, Status::No, code.as_ref(), &text),
            Err(Stop::Bad(text)) => {
                out.tagged(tag, Status::Bad, Some(&ResponseCode::ClientBug), text);
                self.line.count_bad()?;
            }
            Err(Stop::End(End::Logout)) => {
                out.bye(None, "See you again");
                out.tagged(tag, Status::Ok, None, "Logged out");
                return Err(End::Logout);
            }
            Err(Stop::End(end)) => return Err(end),
        }
        match synced {
            Err(Stop::End(end)) => Err(*end),
            Err(Stop::No { .. } | Stop::Bad(_)) => {
                self.mark_stale();
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn obey(&mut self, tag: &Tag, mut command: Command) -> Outcome {
        if self.login.reads_on.is_some() {
            self.only_read(&mut command).await?;
        }
        match command {
            Command::Capability => self.capability(),
            Command::Noop => {
                self.mark_stale();
                Ok(Done::new("Done"))
            }
            // RFC 3501, section 6.4.1: nothing waits to be written here, so that it is NOOP with a mailbox.
            Command::Check => {
                self.need_selected()?.mark_stale();
                Ok(Done::new("Done"))
            }
            Command::Logout => Err(Stop::End(End::Logout)),
            Command::StartTls | Command::Authenticate { .. } | Command::Login { .. } => {
                Err(Stop::Bad("You are logged in already"))
            }
            Command::Enable(names) => self.enable(&names),
            Command::Id(fields) => {
                super::session::answer_id(&mut self.line, &fields.unwrap_or_default());
                Ok(Done::new("Done"))
            }
            Command::Namespace => self.namespace(),
            Command::Select(select) => self.select(select).await,
            Command::Close => self.close().await,
            Command::Unselect => self.unselect(),
            Command::Create {
                mailbox,
                special_use,
                ..
            } => self.create(mailbox, &special_use).await,
            Command::Delete(name) => self.delete(name).await,
            Command::Rename { from, to } => self.rename(from, to).await,
            Command::Subscribe(name) => self.subscribe(name, true).await,
            Command::Unsubscribe(name) => self.subscribe(name, false).await,
            Command::List(list) => self.list(list).await,
            Command::Lsub { reference, pattern } => self.lsub(&reference, &pattern).await,
            Command::Status { mailbox, items } => self.status(mailbox, items).await,
            Command::Append(append) => self.append(append).await,
            Command::Idle => self.idle().await,
            Command::Expunge { uids } => self.expunge(uids).await,
            Command::Search(search) => self.search(tag, search).await,
            Command::Sort(sort) => self.sort(tag, sort).await,
            Command::Thread(thread) => self.thread(tag, thread).await,
            Command::Fetch(fetch) => self.fetch(fetch).await,
            Command::Store(store) => self.store_flags(store).await,
            Command::Copy {
                uid,
                messages,
                mailbox,
            } => self.copy(&messages, uid, mailbox, false).await,
            Command::Move {
                uid,
                messages,
                mailbox,
            } => self.copy(&messages, uid, mailbox, true).await,
            Command::GetQuota { root } => self.quota(&root).await,
            Command::GetQuotaRoot(mailbox) => self.quota_root(mailbox).await,
            Command::SetQuota { .. } => Err(Stop::no(
                ResponseCode::NoPerm,
                "Quotas are set by the account managers",
            )),
        }
    }

    /// The selected mailbox, for a command that needs one.
    pub(crate) fn need_selected(&mut self) -> Result<&mut Selected, Stop> {
        self.selected
            .as_mut()
            .ok_or(Stop::Bad("Select a mailbox first"))
    }

    /// The selected mailbox, for a command that changes it.
    pub(crate) fn need_writable(&mut self) -> Result<&mut Selected, Stop> {
        let selected = self.need_selected()?;
        if selected.read_only {
            return Err(Stop::no(
                ResponseCode::Cannot,
                "The mailbox was opened for reading only",
            ));
        }
        Ok(selected)
    }

    /// Makes the next look at the selected mailbox a real one.
    pub(crate) fn mark_stale(&mut self) {
        if let Some(selected) = &mut self.selected {
            selected.mark_stale();
        }
    }

    /// Brings the view up to date and writes what the client has to know.
    pub(crate) async fn tell_changes(&mut self, may_expunge: bool) -> Result<(), Stop> {
        let Self {
            shared,
            line,
            enabled,
            selected: Some(selected),
            ..
        } = self
        else {
            return Ok(());
        };
        match selected.sync(&shared.store, line, may_expunge).await? {
            Synced::Changes(changes, _room) => {
                write_changes(line, selected, &changes, *enabled).await?;
                Ok(())
            }
            Synced::Deleted => Err(Stop::End(End::MailboxGone)),
        }
    }

    /// As [`Member::tell_changes`], after something was carried out that must be answered with OK: only the end of the
    /// session stops it.
    pub(crate) async fn tell_changes_if_possible(&mut self) -> Result<(), Stop> {
        match self.tell_changes(true).await {
            Err(Stop::No { .. } | Stop::Bad(_)) => {
                self.mark_stale();
                Ok(())
            }
            other => other,
        }
    }

    /// Whether the login still holds, after something about the account changed.
    pub(crate) async fn check_account(&self) -> Result<(), End> {
        match self.shared.directory.still_valid(&self.login).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(End::AccountChanged),
            Err(error) => {
                tracing::error!(%error, "whether a login still holds could not be read");
                Err(End::Failed)
            }
        }
    }

    /// Waits for IDLE: a change of the mailbox or of the account.
    pub(crate) async fn idle_change(&mut self) -> Idle {
        let mailbox = async {
            match &mut self.selected {
                Some(selected) => selected.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = self.line.hear_done() => Idle::Done(done),
            () = mailbox => Idle::Mailbox,
            () = changed(&mut self.account_changes) => Idle::Account,
        }
    }
}

/// What ended a wait in IDLE.
pub(crate) enum Idle {
    /// The client spoke; whether it said DONE.
    Done(Result<bool, End>),
    /// The mailbox changed.
    Mailbox,
    /// The account changed.
    Account,
    /// Nothing, for as long as a keepalive waits.
    Silence,
}

async fn changed(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// RFC 9051, section 7.5.1: no EXPUNGE while a command that names messages by number is answered.
fn may_expunge_after(command: &Command) -> bool {
    match command {
        Command::Fetch(fetch) => fetch.uid,
        Command::Store(store) => store.uid,
        Command::Search(search) => search.uid,
        Command::Sort(sort) => sort.uid,
        Command::Thread(thread) => thread.uid,
        _ => true,
    }
}

/// Writes EXPUNGE or VANISHED, EXISTS, FLAGS and FETCH for what changed. Sends what is much, so that the client holds up the work
/// and not memory.
async fn write_changes(
    line: &mut Line,
    selected: &mut Selected,
    changes: &Changes,
    enabled: Enabled,
) -> Result<(), End> {
    if enabled.qresync {
        let vanished: NumberSet = changes.vanished.iter().copied().collect();
        line.out.vanished(false, &vanished);
    } else {
        for number in &changes.expunged {
            line.out.expunge(*number);
            line.relieve().await?;
        }
    }
    if changes.arrived {
        line.out.exists(selected.view.exists());
    }
    if changes.arrived || !changes.flagged.is_empty() {
        selected.tell_keywords(&mut line.out);
    }
    for uid in &changes.flagged {
        selected.write_flags(&mut line.out, *uid, enabled.condstore);
        line.relieve().await?;
    }
    Ok(())
}

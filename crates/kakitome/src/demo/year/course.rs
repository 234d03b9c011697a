//! The course of the year: its clock moves on as fast as the work is done, and what a served site does by itself is given its turn.

use std::{net::IpAddr, time::Duration};

use directory::Role;
use jiff::{Timestamp, ToSpan as _, civil::Date};
use miette::{IntoDiagnostic as _, Result, miette};
use tokio::task::JoinSet;

use super::{
    chance::Chance,
    happenings::{Happened, Machine, Step, flood, must_begin},
    infection::Infection,
    office::{DOMAIN, OFFICERS, Office, Person},
    outside,
    plan::{Deed, Plan, Post, SLOT_MINUTES, SLOTS},
    post::{Letter, Wire, terminal},
    work::Work,
};
use crate::{
    alarms, blocks, canary, digests, governing, idle, remembering, rotation, scanners, tell,
    traffic, vulnerabilities,
};

/// Mail that is written at the office, and that comes from outside.
const LETTERS: &[(&str, &str)] = &[
    (
        "会議のお知らせ",
        "明日の会議は十時から、第二会議室です。\r\n資料は前日までに共有します。\r\n",
    ),
    (
        "見積もりのお願い",
        "添付の件、今週中にお見積もりをいただけますか。\r\n",
    ),
    (
        "Re: 予算案について",
        "修正案を承知しました。月曜に打ち合わせましょう。\r\n",
    ),
    ("出張報告", "先週の出張の報告です。ご確認ください。\r\n"),
    ("Schedule", "Shall we meet on Thursday at two?\r\n"),
    (
        "防災訓練の実施について",
        "来週水曜、十四時から訓練を行います。\r\n",
    ),
];

/// The slot of the day in which traffic is counted while it is not watched.
const UNWATCHED: usize = 23 * 12;

/// How much there was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) submitted: usize,
    pub(super) came: usize,
    pub(super) read: usize,
}

/// The year as it goes on.
pub(super) struct Course {
    pub(super) office: Office,
    pub(super) wire: Wire,
    pub(super) work: Work,
    pub(super) happened: Happened,
    pub(super) machine: Machine,
    pub(super) plan: Plan,
    pub(super) chance: Chance,
    /// When the year ends.
    pub(super) end: Timestamp,
    /// From when on traffic is looked at in each slot; before it, once a day.
    pub(super) watched: Timestamp,
    pub(super) watch: traffic::Watch,
    pub(super) rotated: Option<Timestamp>,
    pub(super) counts: Counts,
    /// Those who are announced to leave, with their day and the order.
    pub(super) leaving: Vec<(String, Date, String)>,
    /// Where the last copy of the site is.
    pub(super) copy: Option<String>,
    /// Whose password is known to be stolen: they cannot log in.
    pub(super) shut_out: Option<String>,
}

impl Course {
    /// Goes from the first day to the end.
    pub(super) async fn run(&mut self) -> Result<()> {
        let mut day = self.plan.first;
        while day <= self.plan.last {
            self.day(day).await?;
            let next = day.saturating_add(1.day());
            if next.month() != day.month() || next > self.plan.last {
                self.tell_month(day)?;
            }
            day = next;
        }
        self.office.clock.advance_to(self.end);
        self.close().await
    }

    /// What has to be true of today at the end: the server was looked at from outside, and each clause was looked at.
    async fn close(&mut self) -> Result<()> {
        self.queue().await?;
        self.watch.look(&self.office.site).await.into_diagnostic()?;
        scanners::look(&self.office.site).await.into_diagnostic()?;
        self.deed(Deed::Canary).await?;
        self.deed(Deed::Probe).await?;
        self.deed(Deed::Look).await
    }

    fn tell_month(&self, day: Date) -> Result<()> {
        let Counts {
            submitted,
            came,
            read,
        } = self.counts;
        tell(&[format!(
            "  {}  {:>4} people, {submitted} submitted, {came} came in, {read} times read, {} tasks, {} volumes",
            day.strftime("%Y-%m"),
            self.office.people.len(),
            self.work.done.tasks,
            self.work.done.volumes
        )])
    }

    async fn day(&mut self, day: Date) -> Result<()> {
        let mut deeds = self.plan.day(day);
        for slot in 0..SLOTS {
            let minutes = i64::try_from(slot).unwrap_or_default() * i64::from(SLOT_MINUTES);
            let midnight = day.to_zoned(self.office.zone.clone()).into_diagnostic()?;
            let at = midnight.saturating_add(minutes.minutes()).timestamp();
            if at >= self.end {
                return Ok(());
            }
            let now = self.office.now();
            let deeds = deeds.remove(&slot).unwrap_or_default();
            // What took longer than it should puts the rest off, but the site was not there before it was made.
            if day == self.plan.first && at < now {
                continue;
            }
            self.office.clock.advance_to(at);
            let has_mail = deeds
                .iter()
                .any(|deed| !matches!(deed, Deed::Rotate | Deed::Look));
            for deed in deeds {
                self.deed(deed).await?;
            }
            if has_mail {
                self.queue().await?;
            }
            if at >= self.watched || slot == UNWATCHED {
                self.watch.look(&self.office.site).await.into_diagnostic()?;
            }
        }
        Ok(())
    }

    /// Mail that is due goes out.
    async fn queue(&self) -> Result<()> {
        let site = &self.office.site;
        site.transfer.try_queue().await.into_diagnostic()
    }

    async fn deed(&mut self, deed: Deed) -> Result<()> {
        let site = std::sync::Arc::clone(&self.office.site);
        match deed {
            Deed::Hourly => self.hourly().await,
            Deed::Rotate => rotation::look(&site, &mut self.rotated)
                .await
                .into_diagnostic(),
            Deed::Software => {
                let feeds = site.settings().vulnerabilities.feeds();
                let failed = vulnerabilities::daily(&site, feeds)
                    .await
                    .into_diagnostic()?;
                match failed.first() {
                    None => Ok(()),
                    Some(feed) => Err(miette!("the feed {} was not read", feed.name)),
                }
            }
            Deed::Canary => {
                if site.scanners().any() {
                    let outcome = canary::send(&site).await;
                    outcome.map_err(|error| miette!("the canary: {error}"))?;
                }
                Ok(())
            }
            Deed::Digest => digests::send(&site).await.map(drop).into_diagnostic(),
            Deed::Idle => {
                idle::look(&site).await.into_diagnostic()?;
                remembering::forget(&site).await.into_diagnostic()
            }
            Deed::Look => {
                site.store.checkpoint().await.into_diagnostic()?;
                governing::once(&site).await.into_diagnostic()
            }
            Deed::Tasks => self.work.do_tasks(&self.office).await,
            Deed::Approve => self.work.approve(&self.office).await,
            Deed::Volumes => self.work.export_volumes(&self.office).await,
            Deed::Copy => {
                let before = self.copy.take();
                let copy = self.work.copy(&self.office, before.as_deref()).await?;
                self.copy = Some(copy);
                Ok(())
            }
            Deed::Probe => {
                let probe = ["probe", "--own"];
                let probed = self.office.as_role(Role::Administrator, &probe).await;
                match probed {
                    Ok(_) => Ok(()),
                    // What it found is in the trail, and the clauses that rest on it are red.
                    Err(error) => tell(&[format!("  {error}")]),
                }
            }
            Deed::Hire(count) => {
                for _ in 0..count {
                    self.office.hire().await?;
                    self.office.came = self.office.came.saturating_add(1);
                }
                Ok(())
            }
            Deed::Announce(count, on) => self.announce(count, on).await,
            Deed::LetGo => self.let_go().await,
            Deed::Mail(posts) => self.mail(posts).await,
            Deed::Happens(step) => self.happens(step).await,
        }
    }

    /// What a served site does within an hour.
    async fn hourly(&self) -> Result<()> {
        let site = &self.office.site;
        blocks::look(site).await.into_diagnostic()?;
        alarms::tell_all(site).await.into_diagnostic()?;
        scanners::look(site).await.into_diagnostic()
    }

    async fn happens(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Flood => return self.flood().await,
            Step::PasswordReported | Step::PasswordRenewed | Step::Infected(Infection::Renewed) => {
                self.shut_out = None;
            }
            _ => {}
        }
        self.happened
            .step(step, &mut self.office, &self.wire, &self.machine)
            .await?;
        if step == Step::PasswordReported {
            self.shut_out = self
                .happened
                .last_stolen()
                .ok()
                .map(|(_, name)| name.to_owned());
        }
        if step == Step::Infected(Infection::Sent) {
            self.shut_out = self.happened.infection.suspended();
        }
        Ok(())
    }

    /// A flood, and what the watch makes of it: it is believed when it lasts.
    async fn flood(&mut self) -> Result<()> {
        for _ in 0..3 {
            flood(&self.wire).await?;
            self.office.site.transfer.tell_of_floods().await;
            self.office.clock.advance(Duration::from_secs(120));
            self.watch.look(&self.office.site).await.into_diagnostic()?;
        }
        alarms::tell_all(&self.office.site).await.into_diagnostic()
    }

    async fn announce(&mut self, count: usize, on: Date) -> Result<()> {
        for _ in 0..count {
            // Those whose mailboxes have a part in what happens stay.
            let stay = OFFICERS.saturating_add(8);
            let free: Vec<String> = self
                .office
                .people
                .iter()
                .skip(stay)
                .filter(|person| self.leaving.iter().all(|(name, ..)| *name != person.name))
                .map(|person| person.name.clone())
                .collect();
            let Some(name) = self.chance.one_of(&free) else {
                return Ok(());
            };
            let order = self.office.announce_leaving(name, on).await?;
            self.leaving.push((name.clone(), on, order));
        }
        Ok(())
    }

    async fn let_go(&mut self) -> Result<()> {
        let today = self.office.today();
        let (due, later) = std::mem::take(&mut self.leaving)
            .into_iter()
            .partition::<Vec<_>, _>(|(_, on, _)| *on <= today);
        self.leaving = later;
        let any = !due.is_empty();
        for (name, _, order) in due {
            self.office.let_go(&name, &order).await?;
        }
        if any && self.copy.is_some() {
            let purge = ["backups", "purge"];
            self.office.as_role(Role::Administrator, &purge).await?;
        }
        Ok(())
    }

    /// Sessions of one slot, side by side.
    async fn mail(&mut self, posts: Vec<Post>) -> Result<()> {
        let mut sessions: JoinSet<Result<Ended>> = JoinSet::new();
        for post in posts {
            self.office.clock.advance(Duration::from_millis(700));
            self.begin(post, &mut sessions);
        }
        while let Some(ended) = sessions.join_next().await {
            match ended.into_diagnostic()?? {
                Ended::Submitted => self.counts.submitted = self.counts.submitted.saturating_add(1),
                Ended::Came => self.counts.came = self.counts.came.saturating_add(1),
                Ended::Refused => {}
                Ended::Read(name, read) => {
                    self.counts.read = self.counts.read.saturating_add(1);
                    let mut people = self.office.people.iter_mut();
                    if let Some(person) = people.find(|person| person.name == name) {
                        person.read = read;
                    }
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, post: Post, sessions: &mut JoinSet<Result<Ended>>) {
        let wire = self.wire.clone();
        let count = self.office.people.len().max(1);
        let person = |place: usize| self.office.people.get(place % count).cloned();
        // From their last day on nobody logs in as those who go, though their accounts are deleted in the morning only.
        let today = self.office.today();
        let (shut_out, leaving) = (&self.shut_out, &self.leaving);
        let logs_in = |who: &Person| {
            shut_out.as_ref() != Some(&who.name)
                && !leaving
                    .iter()
                    .any(|(name, on, _)| *name == who.name && *on <= today)
        };
        let words = self.chance.one_of(LETTERS).copied().unwrap_or(("", ""));
        let id = format!("y{}", self.office.now().as_microsecond());
        let (who, to, domain, gone) = match post {
            Post::Read { who } | Post::Mistyped { who } => {
                let mistyped = matches!(post, Post::Mistyped { .. });
                let who = person(who).filter(&logs_in);
                if let Some(who) = who {
                    sessions.spawn(async move {
                        let from = terminal(&who);
                        if mistyped {
                            wire.mistype(&who.address, from).await?;
                            return Ok(Ended::Refused);
                        }
                        let login = (who.address.as_str(), who.password.as_str());
                        let read = wire.fetch(login, from, who.read).await?;
                        Ok(Ended::Read(who.name, read))
                    });
                }
                return;
            }
            Post::Relayed => {
                let from = IpAddr::from([192, 0, 2, 99]);
                sessions.spawn(async move {
                    wire.try_relay(from).await?;
                    Ok(Ended::Refused)
                });
                return;
            }
            Post::In { to, domain } => {
                let Some(to) = person(to) else { return };
                let domain = outside_domain(domain);
                let letter = letter(
                    &format!("tanto@{domain}"),
                    "担当者",
                    &[to.address],
                    words,
                    id,
                );
                sessions.spawn(async move {
                    let [a, b, c] = outside::NETWORK;
                    let said = wire.hand_over(IpAddr::from([a, b, c, 25]), &letter).await?;
                    must_begin("250", &said)?;
                    Ok(Ended::Came)
                });
                return;
            }
            Post::Inside { from, to } => (from, to, 0, false),
            Post::Out { from, domain, gone } => (from, Vec::new(), domain, gone),
        };
        let who = person(who).filter(&logs_in);
        let Some(who) = who else { return };
        let mut to: Vec<String> = to
            .into_iter()
            .filter_map(person)
            .map(|to| to.address)
            .collect();
        to.sort();
        to.dedup();
        if to.is_empty() {
            let name = if gone { outside::GONE } else { "madoguchi" };
            to.push(format!("{name}@{}", outside_domain(domain)));
        }
        let letter = letter(&who.address, &who.full_name, &to, words, id);
        sessions.spawn(async move {
            let login = (who.address.as_str(), who.password.as_str());
            let said = wire.submit(login, terminal(&who), &letter).await?;
            must_begin("250", &said)?;
            Ok(Ended::Submitted)
        });
    }
}

/// How a session ended.
enum Ended {
    Submitted,
    Came,
    Refused,
    Read(String, u32),
}

fn outside_domain(place: usize) -> &'static str {
    let all = outside::DOMAINS;
    all.get(place % all.len()).copied().unwrap_or(DOMAIN)
}

fn letter(
    from: &str,
    from_name: &str,
    to: &[String],
    (subject, text): (&str, &str),
    id: String,
) -> Letter {
    Letter {
        from: from.to_owned(),
        from_name: from_name.to_owned(),
        to: to.to_vec(),
        subject: subject.to_owned(),
        text: text.to_owned(),
        file: None,
        id,
    }
}

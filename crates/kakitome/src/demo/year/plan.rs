//! What each day of the year brings, and when: by the hours and holidays of an office in Japan.

use std::collections::BTreeMap;

use jiff::{
    ToSpan as _,
    civil::{Date, Time, time},
};
use traffic::{Calendar, DayKind};

use super::{
    chance::Chance,
    happenings::{self, Step},
};

/// Minutes between two looks at traffic, and of what happens at one time.
pub(super) const SLOT_MINUTES: i8 = 5;
/// Slots of a day.
pub(super) const SLOTS: usize = 24 * 60 / 5;

/// Something that is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// What the server does by itself each hour.
    Hourly,
    /// Ended volumes are sealed.
    Rotate,
    /// Software is listed and feeds are read.
    Software,
    /// A test message is sent to the scanners.
    Canary,
    /// People are told what is set apart for them.
    Digest,
    /// Idle identifiers are looked for, and what is old forgotten.
    Idle,
    /// All clauses are looked at.
    Look,
    /// Officers do what is due.
    Tasks,
    /// Others approve it.
    Approve,
    /// Volumes go to a medium.
    Volumes,
    /// A copy of the site is made.
    Copy,
    /// The listeners are probed.
    Probe,
    /// So many come.
    Hire(usize),
    /// So many are announced to leave on a day.
    Announce(usize, Date),
    /// Those go whose day has come.
    LetGo,
    /// Mail is sent, comes, and is read.
    Mail(Vec<Post>),
    /// Something happens.
    Happens(Step),
}

/// One piece of mail, or one look at a mailbox; people by their place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Post {
    Inside {
        from: usize,
        to: Vec<usize>,
    },
    Out {
        from: usize,
        domain: usize,
        gone: bool,
    },
    In {
        to: usize,
        domain: usize,
    },
    Read {
        who: usize,
    },
    Mistyped {
        who: usize,
    },
    Relayed,
}

/// The plan of the year.
pub(super) struct Plan {
    pub(super) first: Date,
    pub(super) last: Date,
    people: usize,
    calendar: Calendar,
    happens: BTreeMap<Date, Vec<(Time, Step)>>,
    chance: Chance,
    /// Whose turn it is to read.
    reader: usize,
}

impl Plan {
    pub(super) fn new(first: Date, last: Date, people: usize, chance: Chance) -> Self {
        let calendar = Calendar {
            japan: true,
            closed: "12-29..01-03".parse().into_iter().collect(),
        };
        let mut plan = Self {
            first,
            last,
            people,
            calendar,
            happens: BTreeMap::new(),
            chance,
            reader: 0,
        };
        let steps = happenings::appointments((first, last), &|day| plan.works(day));
        for (day, at, step) in steps {
            plan.happens.entry(day).or_default().push((at, step));
        }
        plan
    }

    /// Whether people work on that day.
    pub(super) fn works(&self, day: Date) -> bool {
        self.calendar.kind(day) == DayKind::Working
    }

    /// The first day on which people work from `day` on.
    fn working_from(&self, mut day: Date) -> Date {
        while !self.works(day) {
            day = day.saturating_add(1.day());
        }
        day
    }

    /// What a day brings, by slot, in order.
    pub(super) fn day(&mut self, day: Date) -> BTreeMap<usize, Vec<Deed>> {
        let mut deeds: BTreeMap<usize, Vec<Deed>> = BTreeMap::new();
        let mut add = |at: Time, deed: Deed| deeds.entry(slot(at)).or_default().push(deed);
        add(time(0, 5, 0, 0), Deed::Rotate);
        for hour in 0..24 {
            add(time(hour, 0, 0, 0), Deed::Hourly);
        }
        add(time(0, 10, 0, 0), Deed::Look);
        add(time(5, 10, 0, 0), Deed::Software);
        add(time(5, 15, 0, 0), Deed::Canary);
        add(time(6, 0, 0, 0), Deed::Idle);
        add(time(7, 30, 0, 0), Deed::Digest);
        if self.works(day) {
            self.office_hours(day, &mut add);
        }
        for (at, step) in self.happens.get(&day).into_iter().flatten() {
            add(*at, Deed::Happens(*step));
        }
        self.mail(day, &mut add);
        deeds
    }

    fn office_hours(&self, day: Date, add: &mut impl FnMut(Time, Deed)) {
        let month = day.first_of_month();
        let is_first = self.working_from(month) == day;
        let (many, few) = (self.people / 20, (self.people / 250).max(1));
        let next = month.saturating_add(1.month());
        // Notice is given on the first day of work after the 14th, of those who go as the next month begins.
        if self.working_from(month.saturating_add(14.days())) == day {
            let count = if next.month() == 4 { many.max(2) } else { few };
            add(time(9, 50, 0, 0), Deed::Announce(count, next));
        }
        if is_first && day > self.first {
            add(time(8, 40, 0, 0), Deed::LetGo);
            let count = if month.month() == 4 { many.max(2) } else { few };
            add(time(8, 50, 0, 0), Deed::Hire(count));
            // Once a year, as clause 5.1(1) has it: a probe waits for much in real time.
            if month.month() == 4 {
                add(time(9, 45, 0, 0), Deed::Probe);
            }
            add(time(15, 30, 0, 0), Deed::Volumes);
            if matches!(month.month(), 1 | 4 | 7 | 10) {
                add(time(16, 30, 0, 0), Deed::Copy);
            }
        }
        add(time(9, 30, 0, 0), Deed::Look);
        add(time(10, 0, 0, 0), Deed::Tasks);
        add(time(14, 0, 0, 0), Deed::Approve);
        add(time(17, 30, 0, 0), Deed::Look);
    }

    fn mail(&mut self, day: Date, add: &mut impl FnMut(Time, Deed)) {
        let works = self.works(day);
        let (sent, come, read) = match works {
            true => (
                (self.people / 10).max(3),
                (self.people / 16).max(2),
                (self.people / 12).max(3),
            ),
            false => (
                self.people / 200,
                (self.people / 100).max(1),
                self.people / 200,
            ),
        };
        let mut posts: BTreeMap<usize, Vec<Post>> = BTreeMap::new();
        for _ in 0..sent {
            let post = self.submission();
            posts.entry(self.hour(works)).or_default().push(post);
        }
        for _ in 0..come {
            let (to, domain) = (self.chance.below(self.people), self.chance.below(4));
            let post = Post::In { to, domain };
            // Others do not keep the office's hours.
            let night = self.chance.below(5) == 0;
            let at = self.hour(works && !night);
            posts.entry(at).or_default().push(post);
        }
        for _ in 0..read {
            self.reader = self.reader.wrapping_add(1);
            let who = self.reader;
            let post = match self.chance.below(40) {
                0 => Post::Mistyped { who },
                _ => Post::Read { who },
            };
            posts.entry(self.hour(works)).or_default().push(post);
        }
        if self.chance.below(5) == 0 {
            posts
                .entry(self.hour(false))
                .or_default()
                .push(Post::Relayed);
        }
        for (at, posts) in posts {
            let minutes = i8::try_from(at % 12).unwrap_or_default() * SLOT_MINUTES;
            let hour = i8::try_from(at / 12).unwrap_or_default();
            add(time(hour.min(23), minutes, 0, 0), Deed::Mail(posts));
        }
    }

    fn submission(&mut self) -> Post {
        let from = self.chance.below(self.people);
        if self.chance.below(100) < 70 {
            let count = self.chance.below(3).saturating_add(1);
            let to = (0..count).map(|_| self.chance.below(self.people)).collect();
            return Post::Inside { from, to };
        }
        Post::Out {
            from,
            domain: self.chance.below(4),
            gone: self.chance.below(50) == 0,
        }
    }

    /// A slot: of working hours more often in the morning and after lunch, else of the whole day.
    fn hour(&mut self, works: bool) -> usize {
        if !works {
            return self.chance.below(SLOTS);
        }
        const BUSY: &[usize] = &[8, 9, 9, 9, 10, 10, 11, 12, 13, 13, 14, 14, 15, 16, 16, 17];
        let hour = self.chance.one_of(BUSY).copied().unwrap_or(9);
        hour.saturating_mul(12)
            .saturating_add(self.chance.below(12))
    }
}

fn slot(at: Time) -> usize {
    let minutes = i32::from(at.hour()) * 60 + i32::from(at.minute());
    usize::try_from(minutes).unwrap_or_default() / 5
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn plan(seed: u64) -> Plan {
        Plan::new(
            date(2025, 11, 28),
            date(2026, 11, 28),
            500,
            Chance::new(seed),
        )
    }

    #[test]
    fn a_seed_gives_a_year_with_all_that_happens_in_it() {
        let (mut one, mut same, mut other) = (plan(1), plan(1), plan(2));
        let day = date(2026, 2, 3);
        let brought = one.day(day);
        assert_eq!(brought, same.day(day));
        assert_ne!(brought, other.day(day));
        let steps: usize = one.happens.values().map(Vec::len).sum();
        assert_eq!(steps, 41);
        let within = one
            .happens
            .keys()
            .all(|day| one.first < *day && *day < one.last);
        assert!(within);
        assert!(one.happens.keys().all(|day| one.works(*day)));
    }

    /// Holidays put several days off to the same one: no step may come before the one that it follows.
    #[test]
    fn steps_come_in_their_order_whatever_day_the_year_begins_with() {
        use Step::{Installed, Ordered, Planned, Published, Reported, Tested, Verified};
        let courses: [&[Step]; 5] = [
            &[
                Published, Reported, Planned, Ordered, Tested, Installed, Verified,
            ],
            &[
                Step::OutbreakComes,
                Step::OutbreakBlocked,
                Step::OutbreakPulled,
                Step::OutbreakOver,
            ],
            &[Step::Flood, Step::FloodMet, Step::FloodClosed],
            &[Step::ExpertsAgreed, Step::ExpertsCalled],
            &[
                Step::PasswordUsed,
                Step::PasswordReported,
                Step::PasswordAcknowledged,
                Step::PasswordRenewed,
                Step::PasswordClosed,
            ],
        ];
        let mut first = date(2025, 1, 1);
        while first < date(2028, 1, 1) {
            let plan = Plan::new(first, first.saturating_add(1.year()), 26, Chance::new(1));
            let mut all: Vec<(Date, usize, Step)> = Vec::new();
            for (day, steps) in &plan.happens {
                all.extend(steps.iter().map(|(at, step)| (*day, slot(*at), *step)));
            }
            all.sort_by_key(|(day, at, _)| (*day, *at));
            for course in courses {
                let seen: Vec<Step> = all
                    .iter()
                    .map(|(_, _, step)| *step)
                    .filter(|step| course.contains(step))
                    .collect();
                let wanted: Vec<Step> = course.iter().copied().cycle().take(seen.len()).collect();
                assert_eq!(seen, wanted, "a year from {first}");
            }
            first = first.saturating_add(1.day());
        }
    }

    #[test]
    fn people_do_not_work_on_holidays_and_come_in_april() {
        let mut plan = plan(1);
        for holiday in [date(2026, 1, 1), date(2026, 5, 5), date(2026, 8, 1)] {
            let brought = plan.day(holiday);
            assert!(!brought.values().flatten().any(|deed| *deed == Deed::Tasks));
        }
        let april = plan.day(date(2026, 4, 1));
        assert!(april.values().flatten().any(|deed| *deed == Deed::Hire(25)));
        let notice = plan.day(date(2026, 3, 16));
        let go = Deed::Announce(25, date(2026, 4, 1));
        assert!(notice.values().flatten().any(|deed| *deed == go));
    }
}

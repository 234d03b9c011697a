//! `demo --year`: a year of an office, run as fast as its work is done, then served to look at.
//!
//! The site's clock is the year's. Nothing is written behind the rooms' backs: mail comes by SMTP sessions and is read by IMAP sessions,
//! over connections in memory; people give the commands that the command line has; and what a served site does by itself (queue, watch
//! over traffic, looks at clauses, volumes, feeds, digests) is given its turn by the functions that the serving loops call. The seed
//! decides people, mail and happenings; keys and salts are by chance as anywhere.

mod chance;
mod course;
mod definitions;
mod happenings;
mod infection;
mod names;
mod office;
mod outside;
mod plan;
mod post;
mod sharing;
mod summary;
mod work;

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use directory::Role;
use jiff::{Timestamp, ToSpan as _, civil::Date};
use miette::{IntoDiagnostic as _, Result, WrapErr as _, miette};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use world::{ManualClock, Random, World};

use super::{Place, mail, program, shell_word};
use crate::{
    cli::{DemoArgs, InitArgs},
    files, init,
    serve::{self, Running},
    settings, tell, verifying,
};
use chance::Chance;
use course::{Counts, Course};
use happenings::{Happened, Machine};
use office::{DOMAIN, OFFICERS, Office};
use outside::Outside;
use plan::Plan;
use post::Wire;
use work::{Done, Work};

/// The fewest people that the roles and happenings need.
const FEWEST: usize = OFFICERS + 15;
/// When the first day begins.
const FIRST_HOUR: i8 = 7;
/// Seconds between the year's end and now: each command that asks what became of it takes some of the site's time, and its clock must not
/// be ahead when it is served.
const BEFORE_NOW: i64 = 3600;
/// The program that looks into attachments.
const SCANNER: &str = "kakitome-scanner";

/// Makes the site, lets its year pass, tells what it came to, and serves it until `stopped`.
pub(super) async fn play(
    place: &Place,
    arguments: &DemoArgs,
    stopped: impl Future<Output = ()>,
) -> Result<()> {
    let span = Span::of(arguments)?;
    let site = place.site_of_year();
    let ports = Ports {
        base: arguments.port_base,
    };
    tell(&[format!(
        "Kakitome is letting a year pass at an office of {} people, from {} to {} (seed {}) …",
        arguments.people, span.first, span.last, arguments.seed
    )])?;
    let clock = ManualClock::at(span.begin);
    let _outside = Outside::begin((ports.names(), ports.mail(), ports.scanner()), &clock)
        .await
        .into_diagnostic()?;
    let mut stopped = std::pin::pin!(stopped);
    let done = tokio::select! {
        done = pass(place, arguments, &span, (ports, clock)) => done?,
        () = &mut stopped => return tell(&["Stopped before the year was over.".to_owned()]),
    };
    tell(&done)?;
    let running = serve::start(&site).await?;
    let shown = tell(&introduction(&site, &running));
    place.is_ready.set(true);
    if shown.is_ok() {
        stopped.await;
        tell(&[String::new(), "Stopping …".to_owned()])?;
    }
    running.stop().await?;
    shown
}

/// The days of the year.
struct Span {
    first: Date,
    last: Date,
    end: Timestamp,
    begin: Timestamp,
}

impl Span {
    fn of(arguments: &DemoArgs) -> Result<Self> {
        if !(FEWEST..=names::MOST / 2).contains(&arguments.people) {
            return Err(miette!(
                "--people lies between {FEWEST} and {}",
                names::MOST / 2
            ));
        }
        // That of the site, which is not there yet: its settings name none.
        let zone = settings::machine_zone();
        let now = Timestamp::now();
        let today = now.to_zoned(zone.clone()).date();
        let first = arguments.from.unwrap_or(today.saturating_sub(1.year()));
        let last = first.saturating_add(1.year());
        if last > today {
            return Err(miette!(
                "a year from {first} is not over: --from is {} at the latest",
                today.saturating_sub(1.year())
            ));
        }
        let over = last.saturating_add(1.day()).to_zoned(zone.clone());
        let over = over.into_diagnostic()?.timestamp();
        let begin = first.at(FIRST_HOUR, 0, 0, 0).to_zoned(zone);
        let latest = now.saturating_sub(BEFORE_NOW.seconds());
        Ok(Self {
            first,
            last,
            end: over.min(latest.into_diagnostic()?),
            begin: begin.into_diagnostic()?.timestamp(),
        })
    }
}

/// Where the demo listens.
#[derive(Clone, Copy)]
struct Ports {
    base: u16,
}

impl Ports {
    fn names(self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.base.saturating_add(53)).into()
    }

    fn mail(self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.base.saturating_add(26)).into()
    }

    fn scanner(self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.base.saturating_add(310)).into()
    }
}

/// Lets the year pass; what it came to. However it ends, no part of the site is open any more.
async fn pass(
    place: &Place,
    arguments: &DemoArgs,
    span: &Span,
    (ports, clock): (Ports, ManualClock),
) -> Result<Vec<String>> {
    let world = World::new(clock.clone(), Unforeseen(World::system()));
    let machine = Machine {
        place: place.directory.join("machine"),
    };
    let site = place.site_of_year();
    machine_ready(&machine, place)?;
    let made = found(&site, ports, &machine, world.clone()).await?;
    let running = serve::hold(&site, world).await?;
    let lived = live(&running, (place, arguments, span), clock, (&made, machine)).await;
    let stopped = running.stop().await;
    let told = lived?;
    stopped?;
    Ok(told)
}

fn machine_ready(machine: &Machine, place: &Place) -> Result<()> {
    for name in ["medium", "copies", "letters"] {
        std::fs::create_dir_all(place.directory.join(name)).into_diagnostic()?;
    }
    machine.prepare()
}

async fn live(
    running: &Running,
    (place, arguments, span): (&Place, &DemoArgs, &Span),
    clock: ManualClock,
    (founder, machine): (&str, Machine),
) -> Result<Vec<String>> {
    let chance = Chance::new(arguments.seed);
    let directory = &place.directory;
    let names = names::all(&mut chance.apart(1));
    let mut office = Office::new(
        Arc::clone(&running.site),
        clock,
        (names, chance.apart(2)),
        directory.join("letters"),
    );
    office.appoint(founder).await?;
    // From now on what the regulation splits between two takes two.
    set(
        &running.site.path,
        "directory",
        "allow_single_person = false",
    )?;
    running.site.reload().await?;
    office.equip_officers().await?;
    while office.people.len() < arguments.people {
        office.hire().await?;
    }
    let watched = match arguments.watched_weeks {
        Some(weeks) => span.end.saturating_sub((i64::from(weeks) * 7 * 24).hours()),
        None => Ok(span.begin),
    };
    let mut course = Course {
        wire: Wire {
            site: Arc::clone(&running.site),
            tls: mail::trusting_at(running, Arc::new(OfTheYear(running.site.world.clone())))?,
        },
        work: Work {
            forgotten: work::forgotten_period(span.last),
            medium: directory.join("medium"),
            copies: directory.join("copies"),
            done: Done::default(),
        },
        happened: Happened::default(),
        machine,
        plan: Plan::new(span.first, span.last, arguments.people, chance.apart(3)),
        chance: chance.apart(4),
        end: span.end,
        watched: watched.into_diagnostic()?,
        watch: crate::traffic::Watch::default(),
        rotated: None,
        counts: Counts::default(),
        leaving: Vec::new(),
        copy: None,
        shut_out: None,
        office,
    };
    course.run().await?;
    // Each day would take most of the time, and the last is what tells how the trail stands.
    let findings = verifying::once(&running.site, None)
        .await
        .into_diagnostic()?;
    if findings > 0 {
        return Err(miette!("{findings} findings in the trail of the year"));
    }
    let mut lines = summary::lines(&course).await?;
    lines.extend(for_auditor(&course, &directory.join("bundle")).await?);
    Ok(lines)
}

/// A bundle for an auditor is made at the end of the year, who verifies it by the public key alone.
async fn for_auditor(course: &Course, to: &Path) -> Result<Vec<String>> {
    let place = to.display().to_string();
    let words = ["audit", "bundle", "--to", &place];
    course.office.as_role(Role::SystemOfficer, &words).await?;
    let key = course.office.site.store.trail_key().to_string();
    Ok(vec![format!(
        "For an auditor: {} audit verify --offline {} --key '{key}'",
        program(),
        shell_word(&place)
    )])
}

/// Makes the installation, with what this demo needs in its settings; who made it.
async fn found(site: &Path, ports: Ports, machine: &Machine, world: World) -> Result<String> {
    let arguments = InitArgs {
        site: site.to_owned(),
        domains: vec![DOMAIN.to_owned()],
        hostname: Some(format!("mail.{DOMAIN}")),
        roles: vec!["exchange".to_owned(), "mailbox".to_owned()],
        listen: Some([127, 0, 0, 1].into()),
        port_base: Some(ports.base),
    };
    let routes: Vec<String> = outside::DOMAINS
        .iter()
        .map(|domain| {
            let port = ports.mail().port();
            format!("\"{domain}\" = {{ host = \"[127.0.0.1]\", port = {port} }}")
        })
        .collect();
    let extra = format!("[delivery.route]\n{}\n", routes.join("\n"));
    let made = init::init(&arguments, &extra, world).await?;
    let path = |name: &str| shown(&machine.place.join(name));
    let inspects = settings::beside_this(SCANNER).is_some_and(|program| program.is_file());
    let names = ports.names();
    for (section, line) in [
        ("directory", "argon2_memory = \"1MiB\"".to_owned()),
        ("directory", "argon2_passes = 1".to_owned()),
        ("directory", "scram_iterations = 4096".to_owned()),
        ("directory", "default_quota = \"2GiB\"".to_owned()),
        ("directory", "initial_only_to_change = true".to_owned()),
        ("directory", "acknowledgement_required = true".to_owned()),
        ("directory", "delete_in_backups = false".to_owned()),
        ("limits", "unknown_recipients_per_network = 20".to_owned()),
        ("limits", "flood_pause = \"10ms\"".to_owned()),
        ("dns", format!("servers = [\"{names}\"]")),
        ("probe", "daily = false".to_owned()),
        ("audit", "verify = false".to_owned()),
        ("probe", "ca_file = \"keys/tls.crt\"".to_owned()),
        ("vulnerabilities", "daily = \"05:10\"".to_owned()),
        (
            "vulnerabilities",
            format!("dpkg_status = {}", path("dpkg-status")),
        ),
        (
            "vulnerabilities",
            format!("os_release = {}", path("os-release")),
        ),
        (
            "vulnerabilities",
            "packages = [\"unbound\", \"libc6\"]".to_owned(),
        ),
        (
            "vulnerabilities",
            format!(
                "feeds = [{{ name = \"debian\", format = \"osv\", file = {} }}]",
                path("debian.json")
            ),
        ),
        (
            "regulation",
            "options = { outside-experts = true }".to_owned(),
        ),
        ("regulation", "organisation = \"架空市\"".to_owned()),
        ("traffic", "look = \"5m\"".to_owned()),
        // What is usual is learned anew each hour, from all hours of these weeks.
        ("traffic", "weeks = 6".to_owned()),
        ("traffic", "closed = [\"12-29..01-03\"]".to_owned()),
        ("return_path", "enabled = true".to_owned()),
        ("signing", "enabled = false".to_owned()),
        ("delivery", "mta_sts = false".to_owned()),
        ("dmarc_reports", "send = false".to_owned()),
        ("tls_reports", "send = false".to_owned()),
        ("screening", "enabled = true".to_owned()),
        ("screening.malware", format!("inspect = {inspects}")),
        (
            "screening.malware",
            format!("clamd = \"{}\"", ports.scanner()),
        ),
    ] {
        set(site, section, &line)?;
    }
    Ok(made.person)
}

fn shown(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}

/// Puts a line into a section of the settings, in the place of the same key if it is there.
fn set(site: &Path, section: &str, line: &str) -> Result<()> {
    let path = site.join(settings::FILE);
    let text = std::fs::read_to_string(&path).into_diagnostic()?;
    let key = line.split('=').next().unwrap_or_default();
    let (mut lines, mut within, mut put) = (Vec::new(), false, false);
    for old in text.lines() {
        if old.starts_with('[') {
            within = old.split(']').next() == Some(format!("[{section}").as_str());
        }
        if within && old.starts_with(key) {
            continue;
        }
        lines.push(old);
        if within && !put {
            lines.push(line);
            put = true;
        }
    }
    if !put {
        return Err(miette!("{} has no [{section}]", path.display()));
    }
    let unfinished = site.join(format!("{}.new", settings::FILE));
    files::write_new(
        &unfinished,
        format!("{}\n", lines.join("\n")).as_bytes(),
        0o600,
    )
    .into_diagnostic()?;
    std::fs::rename(&unfinished, &path)
        .into_diagnostic()
        .wrap_err("the settings of the demo")
}

/// Chance for keys and salts, beside a clock that is the year's.
struct Unforeseen(World);

impl Random for Unforeseen {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

/// The time by which the year's mail programs judge certificates.
#[derive(Debug)]
struct OfTheYear(World);

impl TimeProvider for OfTheYear {
    fn current_time(&self) -> Option<UnixTime> {
        let since = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(since)))
    }
}

/// What can be looked at.
fn introduction(site: &Path, running: &Running) -> Vec<String> {
    let at = format!(
        "{} -C {}",
        program(),
        shell_word(&site.display().to_string())
    );
    let mut lines = vec![
        String::new(),
        format!("The site is served on loopback, and {DOMAIN} listens on 127.0.0.1:"),
    ];
    for (service, address) in running.site.listeners() {
        lines.push(format!("  {:<12} {}", service.name(), address.port()));
    }
    lines.push(String::new());
    lines.push("Look at it:".to_owned());
    for words in [
        "clause list",
        "clause evidence 8.2-2",
        "task list --all",
        "report list",
        "incident list",
        "vuln list --all",
        "traffic deviations",
        "audit volumes",
        "audit custody list",
        "audit verify",
    ] {
        lines.push(format!("  {at} {words}"));
    }
    lines.push(String::new());
    lines.push("^C ends it.".to_owned());
    lines
}

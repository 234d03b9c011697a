//! One run: starts everybody, lets each have its turn, tells what was found.

use std::path::Path;

use tempfile::TempDir;

use crate::{
    Arguments, Command, Outcome,
    client::Trust,
    figure::{Sheet, settle},
    load::{self, Bench, Work},
    plan::{self, Case, GROUPS, What},
    report::{Report, Verdict, judge, judge_growth, judge_screened},
    server::{ACCOUNTS, Kakitome, Screening, Server, peers},
    sink::Sink,
};

/// Accounts that loads log in to.
const WARM: usize = 200;

/// Runs until all is measured or somebody presses ^C or sends SIGTERM; either way nothing keeps running.
pub(crate) async fn until_interrupted(arguments: &Arguments) -> Outcome<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = run(arguments) => ended,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminate.recv() => Err("terminated".into()),
    }
}

async fn run(arguments: &Arguments) -> Outcome<()> {
    for name in &arguments.only {
        if !GROUPS.contains(&name.as_str()) {
            return Err(format!("there is no load {name}; there are {}", GROUPS.join(", ")).into());
        }
    }
    let place = place(arguments.place.as_deref())?;
    let sink = Sink::start(arguments.port_base + 2000).await?;
    let site = Kakitome {
        binary: arguments.kakitome.clone(),
        site: place.path().join("kakitome"),
        port_base: arguments.port_base,
        sink: sink.port,
        screening: Screening::Off,
    };
    if let Some(Command::Screened) = arguments.command {
        return screened(arguments, place.path(), sink).await;
    }
    let mut ours = site.make()?;
    let trust = Trust::load(&Kakitome::certificate(&site.site).0)?;
    let bench = Bench::new(arguments.quick, trust, sink);
    ours.start().await?;
    say(&format!("{}: {ACCOUNTS} accounts", ours.version));
    site.import(0, ACCOUNTS)?;
    load::warm(&ours, WARM).await?;
    let rounds = arguments
        .rounds
        .unwrap_or(if arguments.quick { 2 } else { 5 })
        .max(1);
    if let Some(Command::Growth) = arguments.command {
        let sheet = load::growth(&bench, &site, &mut ours, rounds, say).await?;
        let subjects = vec!["full".to_owned(), "empty".to_owned()];
        ours.stop().await?;
        let verdicts = judge_growth(&sheet);
        return tell(arguments, &sheet, subjects, &[ours], rounds, verdicts);
    }
    if let Some(Command::Flood) = arguments.command {
        let kept = flooded(&bench, &mut ours, rounds).await;
        ours.stop().await?;
        return kept;
    }
    let mut servers = vec![ours];
    if !arguments.alone {
        servers.extend(with_peers(&site, arguments.port_base + 1000, place.path()).await?);
    }
    let cases = arguments.matching(plan::cases(&arguments.only, arguments.quick));
    let sheet = measure(&bench, &cases, &mut servers, rounds, place.path()).await?;
    for server in &mut servers {
        server.stop().await?;
    }
    let verdicts = judge(&sheet);
    let subjects = servers.iter().map(|server| server.name.to_owned());
    tell(
        arguments,
        &sheet,
        subjects.collect(),
        &servers,
        rounds,
        verdicts,
    )
}

/// Percent of its throughput that normal mail keeps while it floods (clause 5.5(3)).
const KEPT: f64 = 80.0;

async fn flooded(bench: &Bench, ours: &mut Server, rounds: usize) -> Outcome<()> {
    let mut all = Vec::new();
    for round in 1..=rounds {
        let found = load::flood(bench, ours).await?;
        let kept = 100.0 * found.flooded / found.alone;
        let [connections, commands, turned_away] = found.flood;
        say(&format!(
            "round {round}: {:.0}/s alone, {:.0}/s while {} clients flood: {kept:.0} % kept",
            found.alone,
            found.flooded,
            load::FLOODERS,
        ));
        say(&format!(
            "  the flood, a second: {connections:.0} connections, {commands:.0} commands, {turned_away:.0} turned away; \
             the load program's share of a processor: {:.2} alone, {:.2} with the flood",
            found.load[0], found.load[1]
        ));
        all.push(kept);
    }
    all.sort_by(f64::total_cmp);
    let median = all.get(all.len() / 2).copied().unwrap_or(0.0);
    let verdict = if median >= KEPT { "met" } else { "MISSED" };
    say(&format!(
        "median {median:.0} % kept, target {KEPT:.0} %: {verdict}"
    ));
    Ok(())
}

/// One site that looks at nothing beside others that look at more and more.
async fn screened(arguments: &Arguments, place: &Path, sink: Sink) -> Outcome<()> {
    let mut servers = Vec::new();
    let mut bench = None;
    let mut sink = Some(sink);
    for (number, screening) in (0_u16..).zip(Screening::ALL) {
        let site = Kakitome {
            binary: arguments.kakitome.clone(),
            site: place.join(screening.name()),
            port_base: arguments.port_base + 3000 + 1000 * number,
            sink: arguments.port_base + 2000,
            screening,
        };
        let mut server = site.make()?;
        if let Some(sink) = sink.take() {
            let trust = Trust::load(&Kakitome::certificate(&site.site).0)?;
            bench = Some(Bench::new(arguments.quick, trust, sink));
        }
        server.start().await?;
        site.import(0, ACCOUNTS)?;
        load::warm(&server, WARM).await?;
        say(&format!("{}: {ACCOUNTS} accounts", server.name));
        servers.push(server);
    }
    let bench = bench.ok_or("no site")?;
    let rounds = arguments
        .rounds
        .unwrap_or(if arguments.quick { 2 } else { 5 });
    let cases = arguments.matching(plan::screened(arguments.quick));
    let sheet = measure(&bench, &cases, &mut servers, rounds.max(1), place).await?;
    for server in &mut servers {
        server.stop().await?;
    }
    let subjects = servers
        .iter()
        .map(|server| server.name.to_owned())
        .collect();
    let verdicts = judge_screened(&sheet);
    tell(arguments, &sheet, subjects, &servers, rounds, verdicts)
}

/// One directory for everybody's data, on one disk.
fn place(wanted: Option<&Path>) -> Outcome<TempDir> {
    let mut builder = tempfile::Builder::new();
    // Short, for the sake of UNIX sockets; reachable, for the sake of the peers' own users.
    builder.prefix("kb");
    let place = match wanted {
        Some(directory) => builder.tempdir_in(directory)?,
        None => builder.tempdir()?,
    };
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path(), mode)?;
    Ok(place)
}

async fn with_peers(site: &Kakitome, port_base: u16, place: &Path) -> Outcome<Option<Server>> {
    if !rustix::process::geteuid().is_root() {
        say("Postfix and Dovecot are left out: their masters want to be started by root");
        return Ok(None);
    }
    let mut server = peers(&place.join("peers"), port_base, site.sink, &site.site)?;
    server.start().await?;
    say(&server.version);
    load::warm(&server, WARM).await?;
    Ok(Some(server))
}

/// Every case, every round, every server in turn; who begins changes with each round.
async fn measure(
    bench: &Bench,
    cases: &[Case],
    servers: &mut [Server],
    rounds: usize,
    place: &Path,
) -> Outcome<Sheet> {
    let mut sheet = Sheet::default();
    for case in cases {
        for round in 0..rounds {
            let What::Server(work) = &case.what else {
                measure_machine(bench, case, place, &mut sheet).await?;
                continue;
            };
            for turn in 0..servers.len() {
                let at = (round + turn) % servers.len();
                measure_server(bench, case, work, &mut servers[at], &mut sheet).await?;
            }
        }
    }
    Ok(sheet)
}

async fn measure_machine(
    bench: &Bench,
    case: &Case,
    place: &Path,
    sheet: &mut Sheet,
) -> Outcome<()> {
    rustix::fs::sync();
    let measured = std::thread::scope(|scope| {
        let thread = scope.spawn(|| plan::measure(&case.what, place, bench.quick));
        thread.join()
    });
    let subject = if case.group == "disk" {
        "disk"
    } else {
        "store"
    };
    for figure in measured.map_err(|_| "measuring panicked")?? {
        say(&format!(
            "  {}: {:.3} {}",
            figure.name,
            figure.value,
            figure.unit.name()
        ));
        sheet.add(subject, &case.name(), figure);
    }
    Ok(())
}

async fn measure_server(
    bench: &Bench,
    case: &Case,
    work: &Work,
    server: &mut Server,
    sheet: &mut Sheet,
) -> Outcome<()> {
    settle(server).await;
    rustix::fs::sync();
    match work.run(bench, server).await {
        Ok(figures) => {
            for figure in figures {
                say(&format!(
                    "  {}: {}: {:.2} {} (CPU {:.2} + {:.2} in {:.2} s)",
                    server.name,
                    figure.name,
                    figure.value,
                    figure.unit.name(),
                    figure.cost.server,
                    figure.cost.load,
                    figure.cost.seconds,
                ));
                sheet.add(server.name, &case.name(), figure);
            }
        }
        Err(why) => {
            say(&format!(
                "  {}: {}: FAILED: {why}",
                server.name,
                case.name()
            ));
            sheet.fail(server.name, &case.name(), &why.to_string());
        }
    }
    // What it put off is its own cost, and is not left to whoever comes next.
    let later = settle(server).await;
    if later > 0.2 {
        say(&format!(
            "  {}: … and {later:.2} s of CPU afterwards",
            server.name
        ));
    }
    Ok(())
}

fn tell(
    arguments: &Arguments,
    sheet: &Sheet,
    subjects: Vec<String>,
    servers: &[Server],
    rounds: usize,
    verdicts: Vec<Verdict>,
) -> Outcome<()> {
    let now = jiff::Timestamp::now();
    let mut facts = facts(arguments.quick, rounds);
    facts.extend(page_cache(sheet));
    for server in servers {
        facts.push((server.name.to_owned(), server.version.clone()));
    }
    let report = Report {
        sheet,
        subjects,
        facts,
        verdicts,
        date: now.strftime("%Y-%m-%dT%H%M%SZ").to_string(),
    };
    println!("\n{}", report.markdown());
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => tempfile::Builder::new()
            .prefix("kakitome-bench-")
            .tempdir()?
            .keep(),
    };
    for path in report.write(&out)? {
        println!("written: {}", path.display());
    }
    Ok(())
}

/// Whether the page cache was dropped before what would be cold, as far as that was measured.
fn page_cache(sheet: &Sheet) -> Option<(String, String)> {
    let measured = |heat: &str| {
        let ending = format!(", {heat}");
        let mut all = sheet.series.iter();
        all.any(|series| series.name.ends_with(&ending))
    };
    let words = match (measured("cold"), measured(load::NEW_PROCESS)) {
        (false, false) => return None,
        (true, false) => "dropped before cold loads",
        (false, true) => {
            "could not be dropped: what would be cold is a new process with a warm cache"
        }
        (true, true) => {
            "dropped before cold loads in some rounds, and not in those of a new process"
        }
    };
    Some(("page cache".to_owned(), words.to_owned()))
}

fn facts(quick: bool, rounds: usize) -> Vec<(String, String)> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value
            .map_or("unknown", |(_, value)| value.trim())
            .to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kind = if quick { "quick" } else { "full" };
    [
        ("run", format!("{kind}, {rounds} rounds")),
        (
            "processor",
            format!("{cores} × {}", field(&cpu, "model name")),
        ),
        ("memory", field(&memory, "MemTotal")),
        (
            "kernel",
            read("/proc/sys/kernel/osrelease").trim().to_owned(),
        ),
        (
            "load before the end",
            read("/proc/loadavg").trim().to_owned(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn say(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Cost, Figure};

    #[test]
    fn what_was_not_cold_is_not_called_so() {
        let mut sheet = Sheet::default();
        assert_eq!(page_cache(&sheet), None);
        let mut add = |heat: &str| {
            let figure = Figure::time(format!("SELECT 100,000, {heat}"), Cost::default());
            sheet.add("kakitome", "select", figure);
            page_cache(&sheet).map(|(_, words)| words)
        };
        let told = add(load::NEW_PROCESS);
        assert!(told.is_some_and(|words| words.starts_with("could not")));
        assert!(add("cold").is_some_and(|words| words.contains("some rounds")));
    }
}

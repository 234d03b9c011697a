//! Kakitome (書留): exchange server and mailbox server in one program, and the regulation that such a
//! service must live by.
//!
//! This is the binary's body: settings, wiring by role, command line. It holds no logic of its own: mail is
//! received and sent by `transfer`, read by `retrieval`, kept by `store`; people and orders are in
//! `directory`. `main.rs` calls [`main`]; the fuzz target of the settings calls [`settings_fault`].

mod acme;
mod alarms;
mod backups;
mod blocks;
mod canary;
mod check;
mod cli;
mod clock;
mod command;
mod control;
mod demo;
mod digests;
mod dmarc_reports;
mod files;
mod folder;
mod forward;
mod gate;
mod governing;
mod hours;
mod idle;
mod incidents;
mod init;
mod letter;
mod listen;
mod metrics;
mod offline;
mod own_regulation;
mod probing;
mod recording;
mod remembering;
mod restore;
mod rotation;
mod runbooks;
mod scanners;
mod serve;
mod settings;
mod signing;
mod site;
mod tls;
mod tls_reports;
mod traffic;
mod usage;
mod verifying;
mod vulnerabilities;
mod witness;
mod yara_rules;

use std::{
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use miette::{IntoDiagnostic, Result, WrapErr};

use cli::{AuditCommand, Cli, SiteCommand, Verb};

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    let Err(report) = run(cli) else {
        return ExitCode::SUCCESS;
    };
    let status = report
        .downcast_ref::<control::CallError>()
        .map_or(Some(1), control::CallError::status);
    let Some(status) = status else {
        return ExitCode::SUCCESS;
    };
    let mut out = io::stderr().lock();
    let written = if json {
        writeln!(out, "{}", as_json(&report))
    } else {
        writeln!(out, "{report:?}")
    };
    // The status tells of the failure even where standard error is closed.
    drop(written);
    ExitCode::from(status)
}

/// A failure as one object, with the file and line that it points at, if it does.
fn as_json(report: &miette::Report) -> serde_json::Value {
    let mut error = serde_json::json!({ "error": report.to_string() });
    let label = report.labels().and_then(|mut labels| labels.next());
    if let (Some(source), Some(label)) = (report.source_code(), label)
        && let Ok(contents) = source.read_span(label.inner(), 0, 0)
    {
        error["file"] = contents.name().into();
        error["line"] = contents.line().saturating_add(1).into();
    }
    error
}

/// What is wrong with the text of a `kakitome.toml`, as a person would read it; `None` when it can be used.
#[must_use]
pub fn settings_fault(text: &str) -> Option<String> {
    let error = settings::Settings::parse(settings::FILE, text).err()?;
    Some(format!("{:?}", miette::Report::new(error)))
}

fn run(cli: Cli) -> Result<()> {
    match cli.verb {
        Verb::Init(arguments) => {
            let made = runtime()?.block_on(init::init(&arguments, "", world::World::system()))?;
            if cli.json {
                let row = serde_json::json!({
                    "directory": arguments.site,
                    "hostname": made.hostname,
                    "person": made.person,
                    "allow_single_person": true,
                });
                return tell(&[row.to_string()]);
            }
            tell(&[
                format!(
                    "{} is ready to serve as {}.",
                    arguments.site.display(),
                    made.hostname
                ),
                format!(
                    "{} holds every officer's role (allow_single_person, until a second person holds one).",
                    made.person
                ),
                format!("Start it:   kakitome serve {}", arguments.site.display()),
                format!("Check it:   kakitome check {}", arguments.site.display()),
            ])
        }
        Verb::Serve { site } => {
            log_to_standard_error("info");
            runtime()?.block_on(serve::serve(&site))?;
            Ok(())
        }
        Verb::Demo(arguments) => {
            // A year has its incidents, and tells of them by itself.
            log_to_standard_error(if arguments.year { "error" } else { "warn" });
            runtime()?.block_on(demo::run(&arguments))
        }
        Verb::Check { site } => runtime()?.block_on(check::run(&site, cli.json)),
        Verb::Restore(arguments) => {
            let Some(directory) = cli.directory else {
                let words = "name the directory to restore into with -C DIR, for example: kakitome -C /var/lib/kakitome restore /backup/kakitome";
                return Err(control::CallError::Usage(words.to_owned()).into());
            };
            runtime()?.block_on(restore::run(&directory, &arguments, cli.json))
        }
        Verb::Site(SiteCommand::Audit(AuditCommand::Verify(words)))
            if !words.offline.is_empty() =>
        {
            offline::run(&words, cli.json)
        }
        Verb::Site(SiteCommand::Probe(words)) if !words.own => {
            runtime()?.block_on(probing::run(&words, cli.json))
        }
        Verb::Site(command) => {
            let Some(directory) = cli.directory else {
                let words = "name the site's directory with -C DIR, for example: kakitome -C /var/lib/kakitome status";
                return Err(control::CallError::Usage(words.to_owned()).into());
            };
            call(&directory, &command, cli.json)
        }
    }
}

/// Sends the command, as it was typed, to the running server.
fn call(directory: &Path, command: &SiteCommand, json: bool) -> Result<()> {
    let attachment = match command.attachment() {
        Some(file) => Some(
            std::fs::read_to_string(file)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot read {}", file.display()))?,
        ),
        None => None,
    };
    let line = if command.reads_line() {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).into_diagnostic()?;
        Some(line.trim_end_matches(['\r', '\n']).to_owned())
    } else {
        None
    };
    let request = control::Request {
        words: command
            .words()
            .unwrap_or_else(|| std::env::args().skip(1).collect()),
        attachment,
        line,
    };
    let style = match (json, command.is_list()) {
        (false, _) => control::Style::Tables,
        (true, true) => control::Style::JsonList,
        (true, false) => control::Style::JsonDone,
    };
    control::call(directory, &request, style)?;
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .into_diagnostic()
        .wrap_err("cannot start the runtime")
}

/// Structured lines on standard error; `KAKITOME_LOG` chooses what (else `level`), and
/// `KAKITOME_LOG_FORMAT=json` how.
fn log_to_standard_error(level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("KAKITOME_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if std::env::var("KAKITOME_LOG_FORMAT").is_ok_and(|format| format == "json") {
        builder.json().init();
    } else {
        builder.with_ansi(false).init();
    }
}

/// Prints lines for the person.
pub(crate) fn tell(lines: &[String]) -> Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}").into_diagnostic()?;
    }
    out.flush().into_diagnostic()
}

/// The path as it is from anywhere.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).into_diagnostic()
}

//! `restore`: a site from a backup. No server need run, and none may in that directory.
//!
//! The settings are written last: a restore that was cut short leaves a directory that cannot be served.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use indicatif::ProgressBar;
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use serde_json::json;
use store::{Finding, Restore, Store};
use world::World;

use crate::{
    cli::RestoreArgs,
    files,
    settings::{self, OwnFiles, Settings},
    site, tell,
};

/// Makes the site in `directory` from a backup, and verifies it.
pub(crate) async fn run(directory: &Path, arguments: &RestoreArgs, json: bool) -> Result<()> {
    let from = &arguments.from;
    let settings = Settings::load(from).wrap_err("this is no backup of a site")?;
    let vacant = files::is_vacant(directory)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot look into {}", directory.display()))?;
    if !vacant {
        return Err(miette!(
            help = "name a new directory; a restore that was cut short leaves one without kakitome.toml, to be removed",
            "{} is not empty",
            directory.display()
        ));
    }
    let files = settings
        .own_files(from)
        .map_err(|why| miette!("the backup cannot be read: {why}"))?;
    for name in &files.within {
        if !from.join(name).is_file() {
            return Err(miette!(
                help = "take another backup, or bring the file into this one",
                "the backup is not whole: {} is missing",
                name.display()
            ));
        }
    }
    files::make_passable_directory(directory)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot make {}", directory.display()))?;
    let how = Restore {
        user: site::user_name(rustix::process::getuid().as_raw()),
        keep_validity: arguments.keep_uid_validity,
    };
    let bar = ProgressBar::new(0);
    let shown = bar.clone();
    let progress = move |done, total| {
        shown.set_length(total);
        shown.set_position(done);
    };
    let options = settings.store_options();
    let (store, restored) =
        Store::restore(from, directory, &how, &options, World::system(), progress)
            .await
            .into_diagnostic()
            .wrap_err("the backup was not restored")?;
    bar.finish_and_clear();
    let findings = store.verify(|_| {}).await.into_diagnostic()?;
    store.close().await;
    let mut beside = Vec::new();
    list(from, Path::new(""), &mut beside)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {}", from.display()))?;
    for name in &beside {
        copy(from, directory, name)?;
    }
    copy(from, directory, Path::new(settings::FILE))?;
    say(directory, &restored, &files, &findings, json)
}

/// What the store restores by itself, what is made anew, and what comes last.
const NOT_BESIDE: [&str; 10] = [
    "store.db",
    "store.db-wal",
    "store.db-shm",
    "store.lock",
    "segments",
    "keys/installation.key",
    "keys/trail.key",
    "index",
    "deletions",
    "run",
];

/// The site's files below `place` that stand beside the store, relative to `from`.
fn list(from: &Path, place: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(from.join(place))? {
        let entry = entry?;
        let name = place.join(entry.file_name());
        let passed = NOT_BESIDE.iter().chain(&[settings::FILE]);
        if passed.into_iter().any(|other| name == Path::new(other)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            list(from, &name, found)?;
        } else {
            found.push(name);
        }
    }
    Ok(())
}

/// Copies a file of the site durably.
fn copy(from: &Path, to: &Path, name: &Path) -> Result<()> {
    let target = to.join(name);
    let copy = || -> io::Result<()> {
        let parent = target.parent().unwrap_or(to);
        files::make_private_directory(parent)?;
        files::write_new(&target, &fs::read(from.join(name))?, 0o600)?;
        fs::File::open(parent)?.sync_all()
    };
    copy()
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot restore {}", target.display()))
}

fn say(
    directory: &Path,
    restored: &store::Restored,
    files: &OwnFiles,
    findings: &[Finding],
    json: bool,
) -> Result<()> {
    let as_of = restored.last_event.map(|at| at.to_string());
    if json {
        let row = json!({
            "directory": directory.display().to_string(),
            "bytes": restored.bytes,
            "last_event": as_of,
            "mailboxes_renewed": restored.mailboxes,
            "not_in_backup": files
                .outside
                .iter()
                .chain(&files.absent)
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>(),
            "findings": findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        tell(&[row.to_string()])?;
    } else {
        let mut lines = vec![format!(
            "{} is as it was at {}.",
            directory.display(),
            as_of.as_deref().unwrap_or("its beginning")
        )];
        if restored.mailboxes > 0 {
            lines.push(format!(
                "{} mailboxes have a new UIDVALIDITY: mail programs will fetch them anew.",
                restored.mailboxes
            ));
        }
        for path in files.outside.iter().chain(&files.absent) {
            let path = path.display();
            lines.push(format!(
                "{path} is not in the backup: bring it here yourself."
            ));
        }
        lines.extend(findings.iter().map(ToString::to_string));
        lines.push(format!(
            "Start it:   kakitome serve {}",
            directory.display()
        ));
        tell(&lines)?;
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(miette!(
            help = "serve it and let `verify --repair` mend what can be mended",
            "{count} findings in what was restored"
        )),
    }
}

//! `backup`: the whole site, copied while it runs.

use std::path::Path;

use directory::{Role, repeat};
use serde_json::json;
use store::Backup;
use tokio::sync::watch;

use super::{Answer, Failure, need};
use crate::{backups, files, settings, site::Site};

pub(super) async fn run(
    site: &Site,
    caller: &directory::Person,
    to: &Path,
    answer: &mut Answer,
) -> Result<(), Failure> {
    need(caller, &[Role::Administrator, Role::SystemOfficer])?;
    if !to.is_absolute() {
        return Err(Failure::Words(format!(
            "{} is no absolute path",
            to.display()
        )));
    }
    let within = std::path::absolute(&site.path).is_ok_and(|site| to.starts_with(site));
    if within {
        return Err(Failure::Refused(format!(
            "{} lies within the site itself and would be lost with it",
            to.display()
        )));
    }
    let vacant = files::is_vacant(to)
        .map_err(|error| Failure::Refused(format!("{}: {error}", to.display())))?;
    if !vacant {
        return Err(Failure::Refused(format!(
            "{} is not empty: a backup goes into a new directory",
            to.display()
        )));
    }
    let files = site.settings().own_files(&site.path);
    let files = files.map_err(Failure::Failed)?;
    let not_in_backup: Vec<String> = files
        .outside
        .iter()
        .chain(&files.absent)
        .map(|path| path.display().to_string())
        .collect();
    let how = Backup {
        by: Some(caller.by()),
        beside: files.within,
        // What is deleted from now on may be in the copy: it is to be deleted there too.
        deletions: repeat::count(&site.store).await?,
    };
    let deletions = how.deletions;
    let (teller, mut told) = watch::channel((0, 0));
    let progress = move |done, total| {
        teller.send_replace((done, total));
    };
    let copying = site.store.backup_with(to, how, progress);
    tokio::pin!(copying);
    let bytes = loop {
        tokio::select! {
            done = &mut copying => break done?,
            Ok(()) = told.changed() => {
                let (done, total) = *told.borrow_and_update();
                answer.progress("bytes", done, Some(total));
            }
        }
    };
    backups::note(to, deletions)
        .map_err(|error| Failure::Failed(format!("{}: {error}", to.display())))?;
    for path in files.outside {
        let path = path.display();
        answer
            .note(format!(
                "{path} lies outside the site's directory and is not in the backup; {} names it",
                settings::FILE
            ))
            .await;
    }
    for path in files.absent {
        let path = path.display();
        answer
            .note(format!(
                "{path} is not there, and not in the backup; {} names it",
                settings::FILE
            ))
            .await;
    }
    answer
        .row(&json!({
            "backup": to.display().to_string(),
            "bytes": bytes,
            "not_in_backup": not_in_backup,
        }))
        .await
}

//! The words of `backups`.

use std::path::PathBuf;

use clap::Subcommand;

/// `backups`
#[derive(Debug, Subcommand)]
pub(crate) enum BackupsCommand {
    /// List them: where, of when, and whether accounts were deleted since that they still hold
    List,
    /// Delete in them what was deleted here since: its mail cannot be read from them, nor comes back with `restore`
    ///
    /// Without a place, in all that are where `backup` wrote them. A copy that was made of one, or one that was moved, is named
    /// by its place.
    Purge {
        /// Where they are, on the server's machine
        #[arg(value_name = "BACKUP")]
        backups: Vec<PathBuf>,
    },
    /// State that backups which are not at their place were destroyed
    Gone {
        /// Where they were
        #[arg(value_name = "BACKUP", required_unless_present = "missing")]
        backups: Vec<PathBuf>,
        /// All that are not at their place
        #[arg(long)]
        missing: bool,
        /// How you know
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

impl BackupsCommand {
    /// The words to send: the server stands in another directory.
    pub(super) fn words(&self) -> Option<Vec<String>> {
        let (mut words, backups) = match self {
            Self::List => return None,
            Self::Purge { backups } => (vec!["purge".to_owned()], backups),
            Self::Gone {
                backups,
                missing,
                reason,
            } => {
                let mut words = vec!["gone".to_owned(), format!("--reason={reason}")];
                words.extend(missing.then(|| "--missing".to_owned()));
                (words, backups)
            }
        };
        words.insert(0, "backups".to_owned());
        words.push("--".to_owned());
        for backup in backups {
            let absolute = std::path::absolute(backup).ok()?;
            words.push(absolute.to_str()?.to_owned());
        }
        Some(words)
    }
}

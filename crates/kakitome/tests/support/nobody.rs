//! The operating-system user `nobody`, who gives commands beside whoever runs the stories.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use super::{Program, Site};

/// `nobody`, with a copy of the program that everybody may run.
pub(crate) struct Nobody {
    binary: PathBuf,
    site: PathBuf,
}

impl Nobody {
    /// What is the site's own lets others through by itself, under the umask of a packaged server; the folder around it has to here.
    pub(crate) fn at(site: &Site) -> Self {
        assert!(
            rustix::process::getuid().is_root(),
            "this story needs to become another user"
        );
        fs::set_permissions(site.beside(""), fs::Permissions::from_mode(0o711)).unwrap();
        let binary = site.beside("kakitome");
        fs::copy(env!("CARGO_BIN_EXE_kakitome"), &binary).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            binary,
            site: site.path().to_owned(),
        }
    }

    /// Any program, as that user.
    pub(crate) fn runs() -> Program {
        Program::new("setpriv").words(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
    }

    /// A command to the site.
    pub(crate) fn gives(&self, words: &[&str]) -> Program {
        Self::runs()
            .word(&self.binary)
            .word("-C")
            .word(&self.site)
            .word("--json")
            .words(words)
    }
}

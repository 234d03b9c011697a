//! Suites that a source package of Debian's holds: fetched by apt, with a list of its own, so that nothing of the system's changes.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The source of a package as its authors made it.
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Debian's release that has it.
    pub(crate) suite: &'static str,
    pub(crate) sha256: &'static str,
    /// The directory that its archive holds.
    pub(crate) within: &'static str,
}

impl Source {
    /// The source, unpacked; fetched when it is not there yet, and never looked at before its hash is.
    pub(crate) fn unpacked(&self) -> PathBuf {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("published");
        let found = place.join(self.within);
        if found.is_dir() {
            return found;
        }
        let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let dir = fresh.path();
        for part in ["sources", "lists/partial", "archives/partial"] {
            std::fs::create_dir_all(dir.join(part)).unwrap();
        }
        let list = format!(
            "Types: deb-src\nURIs: {}\nSuites: {}\nComponents: main\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
            mirror(),
            self.suite
        );
        std::fs::write(dir.join("sources/suite.sources"), list).unwrap();
        self.apt(dir, &["update"]);
        // Of the package the archive alone: what Debian adds to it changes with each of its revisions.
        self.apt(dir, &["source", "--tar-only", "--download-only", self.name]);
        let archive = format!("{}_{}.orig.tar.gz", self.name, self.version);
        let hashed = Command::new("sha256sum")
            .arg(dir.join(&archive))
            .output()
            .unwrap();
        let hashed = String::from_utf8_lossy(&hashed.stdout).into_owned();
        assert!(
            hashed.starts_with(self.sha256),
            "{archive} is another: {hashed}"
        );
        let unpacked = Command::new("tar")
            .arg("xf")
            .arg(dir.join(&archive))
            .arg("-C")
            .arg(dir)
            .status()
            .unwrap();
        assert!(unpacked.success());
        std::fs::create_dir_all(&place).unwrap();
        // Another test may have been quicker.
        if std::fs::rename(dir.join(self.within), &found).is_err() {
            assert!(
                found.is_dir(),
                "{} could not be put into its place",
                self.name
            );
        }
        found
    }

    fn apt(&self, dir: &Path, words: &[&str]) {
        let set = |key: &str, value: &Path| format!("-o{key}={}", value.display());
        let done = Command::new("apt-get")
            .arg("-qq")
            .arg("-oDir::Etc::SourceList=/dev/null")
            .arg(set("Dir::Etc::SourceParts", &dir.join("sources")))
            .arg(set("Dir::State::Lists", &dir.join("lists")))
            .arg(set("Dir::Cache", dir))
            // The user whom apt fetches as may not look into this directory.
            .arg("-oAPT::Sandbox::User=root")
            .args(words)
            .current_dir(dir)
            .output()
            .expect("apt-get fetches the suite");
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "{} ({}): {told}",
            self.name,
            self.suite
        );
    }
}

/// Where this system has its Debian from.
fn mirror() -> String {
    let found = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)"])
        .args(["Created-By: Packages", "Origin: Debian", "Label: Debian"])
        .output()
        .expect("apt-get tells where packages are from");
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    found
        .lines()
        .next()
        .expect("a Debian whose lists were fetched: apt-get update")
        .to_owned()
}

//! The files that make a site besides its store: what a backup takes along, and what it can only tell of.

use std::path::{Component, Path, PathBuf};

use super::{FILE, Settings, regulation};

/// The files of a site, by where they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnFiles {
    /// In the site's directory, relative to it. A file without which the site is not whole is named here whether it is there or not.
    pub(crate) within: Vec<PathBuf>,
    /// Elsewhere, so that a backup does not have them.
    pub(crate) outside: Vec<PathBuf>,
    /// In the site's directory, relative to it, and not there: the site goes on without them.
    pub(crate) absent: Vec<PathBuf>,
}

impl Settings {
    /// The settings of the site in `site` and the files that they name, but for those that are the machine's: programs, and what the operating system
    /// keeps of its packages. A directory counts as the files in it that the site reads.
    ///
    /// # Errors
    /// When a directory that the site reads cannot be listed.
    pub(crate) fn own_files(&self, site: &Path) -> Result<OwnFiles, String> {
        let mut found = OwnFiles::default();
        found.needed(site, Path::new(FILE));
        for path in self.named_files() {
            found.needed(site, path);
        }
        for path in self.named_files_that_may_lack(site) {
            found.wanted(site, path);
        }
        for (folder, files) in [
            ("regulation", regulation::files(site)),
            ("runbooks", crate::runbooks::names(site)),
        ] {
            let files =
                files.map_err(|error| format!("{}: {error}", site.join(folder).display()))?;
            for path in files {
                found.needed(site, &path);
            }
        }
        found.rules(site, self.screening.malware.yara.places())?;
        Ok(found)
    }

    /// Files without which the site does not start, or trusts others than before.
    fn named_files(&self) -> impl Iterator<Item = &PathBuf> {
        let hops = self
            .delivery
            .route
            .values()
            .chain(&self.delivery.smarthost)
            .chain(&self.exchange.mailbox_server);
        let of_hops = hops.flat_map(|hop| {
            let keys = hop.get_ref();
            keys.ca_file.iter().chain(&keys.password_file)
        });
        let forwards = self.audit.forward.iter();
        let of_forwards = forwards.filter_map(|keys| keys.get_ref().ca_file.as_ref());
        let acme = self.tls.acme.as_ref();
        [&self.tls.certificate, &self.tls.key]
            .into_iter()
            .chain(acme.and_then(|keys| keys.ca_file.as_ref()))
            .chain(of_hops)
            .chain(of_forwards)
            .chain(&self.probe.ca_file)
            .chain(&self.vulnerabilities.ca_file)
    }

    /// Files that others put there, or that the server makes when it first needs them.
    fn named_files_that_may_lack(&self, site: &Path) -> impl Iterator<Item = &PathBuf> {
        let key = &self.return_path.key_file;
        // Of a site that signs no return paths the key is no loss; one that it has is kept all the same.
        let key = (self.signs_return_paths() || site.join(key).exists()).then_some(key);
        key.into_iter().chain(self.vulnerabilities.feed_files())
    }
}

impl OwnFiles {
    fn needed(&mut self, site: &Path, path: &Path) {
        match within(site, path) {
            Some(path) => put(&mut self.within, path),
            None => put(&mut self.outside, &site.join(path)),
        }
    }

    fn wanted(&mut self, site: &Path, path: &Path) {
        match within(site, path) {
            Some(path) if !site.join(path).exists() => put(&mut self.absent, path),
            _ => self.needed(site, path),
        }
    }

    /// Files and directories of rules.
    fn rules<'a>(
        &mut self,
        site: &Path,
        places: impl Iterator<Item = &'a Path>,
    ) -> Result<(), String> {
        for place in places {
            let whole = site.join(place);
            // A directory elsewhere is told of as it is named.
            if within(site, place).is_none() || !whole.is_dir() {
                self.needed(site, place);
                continue;
            }
            for path in malware::rule_files(&[whole]).map_err(|error| error.to_string())? {
                self.needed(site, &path);
            }
        }
        Ok(())
    }
}

/// A path of the settings relative to the site's directory; `None` of one that leads elsewhere.
fn within<'a>(site: &Path, path: &'a Path) -> Option<&'a Path> {
    let relative = match path.strip_prefix(site) {
        Ok(relative) => relative,
        Err(_) if path.is_relative() => path,
        Err(_) => return None,
    };
    let plain = |part| matches!(part, Component::Normal(_));
    relative.components().all(plain).then_some(relative)
}

fn put(paths: &mut Vec<PathBuf>, path: &Path) {
    if !paths.iter().any(|known| known == path) {
        paths.push(path.to_owned());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{collections::BTreeSet, fs};

    use super::*;

    const ALL: &str = r#"
[server]
hostname = "mail.example.org"
roles = ["exchange"]

[[domain]]
name = "example.org"

[tls]
certificate = "own/tls.crt"
key = "own/tls.key"
acme = { directory = "https://acme.example/directory", terms_agreed = true, ca_file = "own/acme.pem" }

[exchange]
mailbox_server = { host = "mailbox.example", ca_file = "own/mailbox.pem" }

[delivery]
smarthost = { host = "relay.example", port = 587, tls = "verified", identity = "us", password_file = "own/relay" }

[delivery.route]
"far.example" = { host = "mx.far.example", ca_file = "own/far.pem" }

[return_path]
enabled = true
key_file = "own/return.key"

[screening.malware.yara]
rules = ["own/rules", "own/one.yar", "/elsewhere/rules", "../beside"]

[audit]
forward = [{ name = "siem", host = "log.example.org", port = 6514, format = "json", ca_file = "own/log.pem" }]

[probe]
ca_file = "own/probe.pem"

[vulnerabilities]
ca_file = "own/feeds.pem"
feeds = [{ name = "debian", format = "osv", file = "own/debian.zip" }, { name = "kev", format = "kev", file = "own/kev.json" }]
"#;

    /// What of [`ALL`] a setting puts into a backup, or why one does without.
    type Kept = Result<&'static [&'static str], &'static str>;

    /// Each setting that is a path: the file of the settings that declares it, its name, and what of [`ALL`] it puts into a backup.
    /// `Err`: why a backup does without.
    const PATHS: &[(&str, &str, Kept)] = &[
        ("mod.rs", "certificate", Ok(&["own/tls.crt"])),
        ("mod.rs", "key", Ok(&["own/tls.key"])),
        ("acme.rs", "ca_file", Ok(&["own/acme.pem"])),
        (
            "policy.rs",
            "ca_file",
            Ok(&["own/far.pem", "own/mailbox.pem"]),
        ),
        ("policy.rs", "password_file", Ok(&["own/relay"])),
        ("return_path.rs", "key_file", Ok(&["own/return.key"])),
        ("yara.rs", "rules", Ok(&["own/rules/a.yar", "own/one.yar"])),
        ("yara.rs", "program", Err("a program of the machine")),
        ("malware.rs", "scanner", Err("a program of the machine")),
        ("audit.rs", "ca_file", Ok(&["own/log.pem"])),
        ("probe.rs", "ca_file", Ok(&["own/probe.pem"])),
        ("vulnerabilities.rs", "ca_file", Ok(&["own/feeds.pem"])),
        ("vulnerabilities.rs", "file", Ok(&["own/debian.zip"])),
        ("vulnerabilities.rs", "dpkg_status", Err("of the machine")),
        ("vulnerabilities.rs", "os_release", Err("of the machine")),
    ];

    /// Fields of the settings that hold a path, as their source declares them.
    fn declared() -> BTreeSet<(String, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/settings");
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // The one names these, the other is no setting.
            if name == "own_files.rs" || name == "error.rs" {
                continue;
            }
            for line in fs::read_to_string(&path).unwrap().lines() {
                let line = line.trim().trim_start_matches("pub(crate) ");
                let Some((field, kind)) = line.split_once(": ") else {
                    continue;
                };
                let is_field = line.ends_with(',')
                    && !field.contains(|c: char| !c.is_alphanumeric() && c != '_');
                if is_field && !kind.contains("::") && kind.contains("PathBuf") {
                    found.insert((name.clone(), field.to_owned()));
                }
            }
        }
        found
    }

    fn site() -> tempfile::TempDir {
        let site = tempfile::tempdir().unwrap();
        for name in ["rules/a.yar", "rules/notes.txt", "one.yar", "debian.zip"] {
            let path = site.path().join("own").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        site
    }

    #[test]
    fn every_path_of_the_settings_is_thought_of() {
        let thought = PATHS
            .iter()
            .map(|(file, field, _)| ((*file).to_owned(), (*field).to_owned()));
        let thought: BTreeSet<_> = thought.collect();
        assert_eq!(
            declared(),
            thought,
            "say of each setting that is a path whether a backup has it"
        );
    }

    #[test]
    fn a_backup_has_every_file_that_the_settings_name() {
        let site = site();
        fs::write(site.path().join("own/return.key"), "").unwrap();
        let found = Settings::parse("kakitome.toml", ALL).unwrap();
        let found = found.own_files(site.path()).unwrap();
        let wanted = PATHS.iter().filter_map(|(_, _, held)| held.ok()).flatten();
        let wanted: BTreeSet<PathBuf> = wanted.map(PathBuf::from).chain([FILE.into()]).collect();
        assert_eq!(
            found.within.iter().cloned().collect::<BTreeSet<_>>(),
            wanted
        );
        let outside = [
            PathBuf::from("/elsewhere/rules"),
            site.path().join("../beside"),
        ];
        assert_eq!(found.outside, outside);
        assert_eq!(found.absent, [PathBuf::from("own/kev.json")]);
    }

    #[test]
    fn what_is_missing_is_told_by_what_it_is() {
        let site = site();
        let settings = Settings::parse("kakitome.toml", ALL).unwrap();
        let found = settings.own_files(site.path()).unwrap();
        assert!(found.absent.contains(&"own/return.key".into()));
        fs::remove_dir_all(site.path().join("own/rules")).unwrap();
        let found = settings.own_files(site.path()).unwrap();
        assert!(
            found.within.contains(&"own/rules".into()),
            "rules are needed"
        );
        // A key that is there is kept though nothing is signed with it now.
        let unsigned = Settings::parse(
            "kakitome.toml",
            &ALL.replace("enabled = true", "enabled = false"),
        );
        let unsigned = unsigned.unwrap();
        let name = PathBuf::from("own/return.key");
        assert!(
            !unsigned
                .own_files(site.path())
                .unwrap()
                .absent
                .contains(&name)
        );
        fs::write(site.path().join(&name), "").unwrap();
        assert!(
            unsigned
                .own_files(site.path())
                .unwrap()
                .within
                .contains(&name)
        );
    }
}

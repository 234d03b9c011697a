//! Another's reader of reports, parsedmarc.

use std::{path::PathBuf, process::Command};

const PARSEDMARC: &str = "parsedmarc==11.1.0";

/// Where pip puts parsedmarc; fetched when it is not there yet.
pub(crate) fn parsedmarc() -> PathBuf {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(PARSEDMARC);
    if !place.is_dir() {
        let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let got = Command::new("python3")
            .args(["-m", "pip", "--disable-pip-version-check", "install"])
            .args(["--quiet", "--no-warn-script-location", "--target"])
            .arg(fresh.path())
            .arg(PARSEDMARC)
            .status()
            .expect("python3 with pip fetches parsedmarc (Debian: python3-pip)");
        assert!(got.success(), "pip could not fetch {PARSEDMARC}");
        std::fs::rename(fresh.keep(), &place).unwrap();
    }
    place
}

//! One feed, from where it is: fetched or opened, its digest taken, read in bounds, and what it says of software here committed.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use advisory::feed::Format;
use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use governance::vuln::import::{self, Gatherer, Imported, Origin};
use rustix::fs::{Mode, OFlags};
use transfer::fetch::Fetch;

use super::software::digest_of;
use crate::site::Site;

/// Where a feed is.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Over HTTPS.
    Url(String),
    /// A file on this machine, which may have been carried in.
    File(PathBuf),
}

impl Source {
    fn words(&self) -> String {
        match self {
            Self::Url(url) => url.clone(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// Reads a feed; `Ok(Err(_))` says why it could not be read, which is noted: what was known stays.
///
/// # Errors
/// The store's.
pub(crate) async fn import(
    site: &Arc<Site>,
    name: &str,
    format: Format,
    source: Source,
) -> Result<Result<Imported, String>, store::Error> {
    // One after the other: each is held against the cases that the one before opened.
    let _alone = site.importing.lock().await;
    let mut origin = Origin {
        name: name.to_owned(),
        format,
        from: source.words(),
        digest: String::new(),
    };
    let why = match octets(site, &source).await {
        Err(why) => why,
        Ok((mut file, found)) => {
            origin.digest = found;
            let mut heard = Gatherer::new(&site.store).await?;
            let limits = site.settings().vulnerabilities.limits();
            let reading = tokio::task::spawn_blocking(move || {
                let reading = advisory::feed::read(format, &mut file, &limits, &mut |entry| {
                    heard.hear(entry);
                });
                (reading, heard)
            });
            match reading.await {
                Ok((Ok(reading), heard)) => {
                    return import::take(&site.store, origin, reading, heard).await;
                }
                Ok((Err(error), _)) => error.to_string(),
                // It panicked: such a feed is damaged in a way that a library did not think of.
                Err(error) => format!("its reader failed: {error}"),
            }
        }
    };
    import::refuse(&site.store, origin, why.clone()).await?;
    Ok(Err(why))
}

/// The feed as a file without a name, or the file that it is, and its SHA-256.
async fn octets(site: &Site, source: &Source) -> Result<(File, String), String> {
    let settings = site.settings();
    let keys = &settings.vulnerabilities;
    match source {
        Source::Url(url) => {
            let file = nameless(&site.path).map_err(|error| format!("no room for it: {error}"))?;
            let roots = keys.roots(&site.path)?.map(Arc::new);
            let fetch = Fetch {
                url: url.clone(),
                most: keys.feed_size.0,
                time: keys.feed_time.0,
                roots,
            };
            let mut to = Hashing {
                file,
                hash: digest::Context::new(&digest::SHA256),
            };
            fetch.write_to(&site.transfer, &mut to).await?;
            let mut file = to.file;
            file.seek(SeekFrom::Start(0))
                .map_err(|error| error.to_string())?;
            Ok((file, HEXLOWER.encode(to.hash.finish().as_ref())))
        }
        Source::File(path) => {
            let (path, most) = (path.clone(), keys.feed_size.0);
            let read = tokio::task::spawn_blocking(move || digest_of(&path, most));
            let (mut file, found, _) = read.await.map_err(|error| error.to_string())??;
            file.seek(SeekFrom::Start(0))
                .map_err(|error| error.to_string())?;
            Ok((file, found))
        }
    }
}

/// A file that nobody else sees, and that is gone when it is closed or the machine stops.
fn nameless(site: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(
        site.join("run"),
        flags,
        Mode::RUSR | Mode::WUSR,
    )?))
}

struct Hashing {
    file: File,
    hash: digest::Context,
}

impl Write for Hashing {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = self.file.write(octets)?;
        self.hash.update(octets.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

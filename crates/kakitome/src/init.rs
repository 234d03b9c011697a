//! `init`: a new installation.

use std::{io, path::Path};

use message::address::Domain;
use store::Store;
use world::World;

use crate::{
    cli::InitArgs,
    files,
    settings::{self, Role, SettingsError, Template},
    site, tls,
};

/// Why there is no new installation.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum InitError {
    #[error("{0} is not empty")]
    #[diagnostic(help("name a new directory; an installation is never overwritten"))]
    NotEmpty(String),
    #[error("{what:?} is not a domain: {reason}")]
    Domain { what: String, reason: String },
    #[error("{0}")]
    Role(String),
    #[error("cannot write to {path}: {source}")]
    Writing { path: String, source: io::Error },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tls(#[from] tls::TlsError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Settings(#[from] SettingsError),
    #[error("cannot make the store: {0}")]
    Store(#[from] store::Error),
    #[error("cannot enter the first person: {0}")]
    Directory(String),
}

/// What was made, for the caller to tell.
#[derive(Debug)]
pub(crate) struct Made {
    /// The first person's short name: the operating-system user that called.
    pub(crate) person: String,
    /// The server's name.
    pub(crate) hostname: String,
}

/// Makes an installation as `arguments` say, at the time of `world`. `extra` is added to the settings (the demo's own).
pub(crate) async fn init(
    arguments: &InitArgs,
    extra: &str,
    world: World,
) -> Result<Made, InitError> {
    let path = &arguments.site;
    let writing = |source| InitError::Writing {
        path: path.display().to_string(),
        source,
    };
    let domains = arguments
        .domains
        .iter()
        .map(|name| domain(name))
        .collect::<Result<Vec<_>, _>>()?;
    let hostname = match &arguments.hostname {
        Some(name) => domain(name)?,
        None => format!(
            "mail.{}",
            domains.first().map_or("localhost", String::as_str)
        ),
    };
    let roles = arguments
        .roles
        .iter()
        .map(|role| role.parse::<Role>().map_err(InitError::Role))
        .collect::<Result<Vec<_>, _>>()?;
    if !files::is_vacant(path).map_err(writing)? {
        return Err(InitError::NotEmpty(path.display().to_string()));
    }
    let text = settings::render(&Template {
        hostname: hostname.clone(),
        domains,
        roles,
        listen: arguments.listen,
        port_base: arguments.port_base,
        allow_single_person: true,
        extra: extra.to_owned(),
    });
    // Checked before anything is written, so that what `init` leaves can always be served.
    let parsed = settings::Settings::parse(settings::FILE, &text)?;
    files::make_passable_directory(path).map_err(writing)?;
    files::make_private_directory(&path.join("keys")).map_err(writing)?;
    files::write_new(&path.join(settings::FILE), text.as_bytes(), 0o600).map_err(writing)?;
    tls::make_self_signed(
        &path.join(&parsed.tls.certificate),
        &path.join(&parsed.tls.key),
        vec![hostname.clone(), "localhost".to_owned()],
        world.now(),
    )?;
    let person = first_person(path, &parsed, world).await?;
    Ok(Made { person, hostname })
}

fn domain(name: &str) -> Result<String, InitError> {
    Domain::parse(name)
        .map(|domain| domain.as_str().to_owned())
        .map_err(|error| InitError::Domain {
            what: name.to_owned(),
            reason: error.to_string(),
        })
}

/// Opens the store for the first time and enters the caller with every officer's role.
async fn first_person(
    path: &Path,
    parsed: &settings::Settings,
    world: World,
) -> Result<String, InitError> {
    let user = site::user_name(rustix::process::getuid().as_raw());
    let store = Store::open(path, &parsed.store_options(), world)?;

    let entered = directory::bootstrap(&store, &user, &user).await;
    store.close().await;
    entered.map_err(|error| InitError::Directory(error.to_string()))?;
    Ok(user)
}

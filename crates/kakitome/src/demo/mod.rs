//! `demo`: two whole sites on loopback, with people and mail, until ^C.
//!
//! The city office is the site to try; the partner is the world outside, so that mail flows in and out
//! over real SMTP. Both run in this process, on ports of their own, and nothing leaves the machine.

#[cfg(test)]
mod cut_short;
#[cfg(test)]
mod erasing;
mod mail;
mod people;
mod theft;
mod year;

use std::{
    cell::Cell,
    future::Future,
    path::{Path, PathBuf},
};

use miette::{IntoDiagnostic, Result, WrapErr, miette};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    absolute,
    cli::{DemoArgs, InitArgs},
    files, init,
    serve::{self, Running},
    settings::Service,
    tell,
};
use people::Person;

/// The site to try.
const CITY: &str = "city.example";
/// The world outside.
const PARTNER: &str = "partner.example";
/// Whose password another may have used: incident 1 (clause 4.1).
const STOLEN: &str = "sato@city.example";
/// How far the partner's ports lie above the city's.
const PARTNER_OFFSET: u16 = 1000;

/// Runs the demo.
pub(crate) async fn run(arguments: &DemoArgs) -> Result<()> {
    // Taken before anything is made, so that an early ^C also tidies up.
    let mut interrupt = signal(SignalKind::interrupt()).into_diagnostic()?;
    let mut terminate = signal(SignalKind::terminate()).into_diagnostic()?;
    let place = Place::choose(arguments.site.as_deref())?;
    let until_stopped = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let played = match arguments.year {
        true => year::play(&place, arguments, until_stopped).await,
        false => play(&place, arguments.port_base, until_stopped).await,
    };
    match played {
        Ok(()) if arguments.year => place.leave(&[place.site_of_year()]),
        Ok(()) => place.leave(&[place.city(), place.partner()]),
        Err(error) => {
            // A demo that cannot be had leaves nothing to tidy up by hand; one that was had is kept where that was
            // asked for.
            if (place.temporary || !place.is_ready.get())
                && let Err(left) = place.remove()
            {
                tracing::warn!(error = %left, "what the demo had made is left behind");
            }
            Err(error)
        }
    }
}

/// Makes the sites and keeps them until `stopped`; however it ends, no part of them is open any more.
async fn play(place: &Place, base: u16, stopped: impl Future<Output = ()>) -> Result<()> {
    tell(&["Kakitome is making two sites on loopback …".to_owned()])?;
    let partner_base = base.saturating_add(PARTNER_OFFSET);
    let city = site(&place.city(), CITY, base, PARTNER, partner_base).await?;
    let played = match site(&place.partner(), PARTNER, partner_base, CITY, base).await {
        Ok(partner) => {
            let played = show(place, &city, &partner, stopped).await;
            played.and(partner.stop().await.map_err(Into::into))
        }
        Err(error) => Err(error),
    };
    played.and(city.stop().await.map_err(Into::into))
}

async fn show(
    place: &Place,
    city: &Running,
    partner: &Running,
    stopped: impl Future<Output = ()>,
) -> Result<()> {
    let staff = people::enter(&city.site, CITY, people::CITY_STAFF).await?;
    let friends = people::enter(&partner.site, PARTNER, people::PARTNER_STAFF).await?;
    mail::flow(city, &staff, partner, &friends).await?;
    let (Some(victim), Some(target)) = (
        staff.iter().find(|person| person.address == STOLEN),
        friends.first(),
    ) else {
        return Err(miette!("the demo has nobody to play its theft with"));
    };
    theft::play(city, victim, target).await?;
    people::report_stolen(&city.site, STOLEN).await?;
    tell(&introduction(place, city, &staff, &friends))?;
    place.is_ready.set(true);
    stopped.await;
    tell(&[String::new(), "Stopping …".to_owned()])
}

/// Makes one site that reaches the other by a route, and serves it.
async fn site(
    path: &Path,
    domain: &str,
    base: u16,
    other: &str,
    other_base: u16,
) -> Result<Running> {
    let arguments = InitArgs {
        site: path.to_owned(),
        domains: vec![domain.to_owned()],
        hostname: Some(format!("mail.{domain}")),
        roles: vec!["exchange".to_owned(), "mailbox".to_owned()],
        listen: Some([127, 0, 0, 1].into()),
        port_base: Some(base),
    };
    // The two sites know each other by a route: these domains are in no DNS, so nothing could be found out about their mail.
    let port = other_base.saturating_add(25);
    let extra = format!(
        "[screening]\nenabled = false\n\n[delivery.route]\n\"{other}\" = {{ host = \"[127.0.0.1]\", port = {port} }}\n"
    );
    init::init(&arguments, &extra, world::World::system()).await?;
    serve::start(path)
        .await
        .wrap_err_with(|| format!("the demo's site for {domain} cannot be served"))
}

/// Where the demo's sites lie.
struct Place {
    directory: PathBuf,
    temporary: bool,
    /// Whether the directory was there before, with nothing in it.
    was_there: bool,
    /// Whether the sites are made and the person may have begun to use them.
    is_ready: Cell<bool>,
}

impl Place {
    fn choose(named: Option<&Path>) -> Result<Self> {
        let directory = match named {
            Some(path) => absolute(path)?,
            None => std::env::temp_dir().join(format!("kakitome-demo-{}", std::process::id())),
        };
        if !files::is_vacant(&directory).into_diagnostic()? {
            miette::bail!(
                help = "name a new directory, or none for a temporary one",
                "{} is not empty",
                directory.display()
            );
        }
        Ok(Self {
            was_there: directory.exists(),
            directory,
            temporary: named.is_none(),
            is_ready: Cell::new(false),
        })
    }

    fn city(&self) -> PathBuf {
        // A named directory is the city's site itself, so that `-C DIR` works on it.
        if self.temporary {
            self.directory.join("city")
        } else {
            self.directory.clone()
        }
    }

    fn partner(&self) -> PathBuf {
        self.directory.join("partner")
    }

    /// Where the site of `--year` lies; media and copies are beside it.
    fn site_of_year(&self) -> PathBuf {
        self.directory.join("site")
    }

    fn leave(&self, sites: &[PathBuf]) -> Result<()> {
        if self.temporary {
            return self.remove();
        }
        let again = sites.iter().map(|site| {
            let site = shell_word(&site.display().to_string());
            format!("`{} serve {site}`", program())
        });
        let again = again.collect::<Vec<_>>().join(" and ");
        tell(&[format!("What was made stays: serve it again with {again}.")])
    }

    /// Takes away all that the demo made.
    fn remove(&self) -> Result<()> {
        let what = || format!("cannot remove {}", self.directory.display());
        if !self.was_there {
            return match std::fs::remove_dir_all(&self.directory) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                done => done.into_diagnostic().wrap_err_with(what),
            };
        }
        for entry in std::fs::read_dir(&self.directory).into_diagnostic()? {
            let path = entry.into_diagnostic()?.path();
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.into_diagnostic().wrap_err_with(what)?;
        }
        Ok(())
    }
}

/// The running program as a word for the shell: it need not be on the PATH.
fn program() -> String {
    let name = std::env::current_exe()
        .map_or_else(|_| "kakitome".to_owned(), |path| path.display().to_string());
    shell_word(&name)
}

/// `text` as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What a person needs to try it.
fn introduction(
    place: &Place,
    city: &Running,
    staff: &[Person],
    friends: &[Person],
) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        "Kakitome 書留 is serving two sites on loopback:".to_owned(),
        String::new(),
    ];
    for person in staff.iter().chain(friends) {
        let suspended = match person.address == STOLEN {
            true => ", suspended: incident 1",
            false => "",
        };
        lines.push(format!(
            "  {:<24} {}   ({}{suspended})",
            person.address, person.password, person.full_name
        ));
    }
    lines.push(String::new());
    lines.push(format!("{CITY} listens on 127.0.0.1:"));
    for (service, address) in city.site.listeners() {
        lines.push(format!("  {:<12} {}", service.name(), address.port()));
    }
    lines.push(String::new());
    lines.extend(tries(place, city, staff, friends));
    lines.push(String::new());
    lines.push("^C ends it.".to_owned());
    lines
}

/// Lines to paste.
fn tries(place: &Place, city: &Running, staff: &[Person], friends: &[Person]) -> Vec<String> {
    let (Some(reader), Some(friend)) = (staff.first(), friends.first()) else {
        return Vec::new();
    };
    let port = |wanted: Service| {
        city.site
            .listeners()
            .iter()
            .find(|(service, _)| *service == wanted)
            .map_or(0, |(_, address)| address.port())
    };
    let (address, password) = (&reader.address, &reader.password);
    let site = format!(
        "{} -C {}",
        program(),
        shell_word(&place.city().display().to_string())
    );
    let letter = place.city().join("letter.pdf").display().to_string();
    let mut lines = vec![
        "Try it:".to_owned(),
        format!(
            "  curl -k --user '{address}:{password}' 'imaps://127.0.0.1:{}/INBOX;MAILINDEX=1'",
            port(Service::Imaps)
        ),
        format!(
            "  swaks --server 127.0.0.1:{} --tls-on-connect --auth-user {address} --auth-password '{password}' \
             --from {address} --to {}",
            port(Service::Submissions),
            friend.address
        ),
        format!(
            "  swaks --server 127.0.0.1:{} --from {} --to {address}",
            port(Service::Smtp),
            friend.address
        ),
        format!(
            "  A mail program: IMAP 127.0.0.1 port {} (SSL/TLS), SMTP port {} (SSL/TLS), the address as user name.",
            port(Service::Imaps),
            port(Service::Submissions)
        ),
        format!(
            "  A browser: https://127.0.0.1:{}/ (the certificate is self-signed), with the same address and password",
            port(Service::Https)
        ),
        format!("  {site} status"),
        format!("  {site} audit search --address {address}"),
        String::new(),
    ];
    lines.extend(theft::remaining(&site, STOLEN, &shell_word(&letter)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_the_shell() {
        assert_eq!(shell_word("/opt/kakitome-1.0/bin"), "/opt/kakitome-1.0/bin");
        assert_eq!(shell_word("/my files/it's"), "'/my files/it'\\''s'");
    }
}

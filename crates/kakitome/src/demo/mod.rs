//! `demo`: two whole sites on loopback, with people and mail, until ^C.
//!
//! The city office is the site to try; the partner is the world outside, so that mail flows in and out
//! over real SMTP. Both run in this process, on ports of their own, and nothing leaves the machine.

mod mail;
mod people;

use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, Result, WrapErr};
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
/// How far the partner's ports lie above the city's.
const PARTNER_OFFSET: u16 = 1000;

/// Runs the demo.
pub(crate) async fn run(arguments: &DemoArgs) -> Result<()> {
    // Taken before anything is made, so that an early ^C also tidies up.
    let mut interrupt = signal(SignalKind::interrupt()).into_diagnostic()?;
    let mut terminate = signal(SignalKind::terminate()).into_diagnostic()?;
    let place = Place::choose(arguments.site.as_deref())?;
    let (city_base, partner_base) = (
        arguments.port_base,
        arguments.port_base.saturating_add(PARTNER_OFFSET),
    );
    tell(&["Kakitome is making two sites on loopback …".to_owned()])?;
    let city = site(&place.city(), CITY, city_base, PARTNER, partner_base).await?;
    let partner = site(&place.partner(), PARTNER, partner_base, CITY, city_base).await?;
    let staff = people::enter(&city.site, CITY, people::CITY_STAFF).await?;
    let friends = people::enter(&partner.site, PARTNER, people::PARTNER_STAFF).await?;
    mail::flow(&city, &staff, &partner, &friends).await?;
    tell(&introduction(&place, &city, &staff, &friends))?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tell(&[String::new(), "Stopping …".to_owned()])?;
    city.stop().await?;
    partner.stop().await?;
    place.leave()
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
    // The two sites know each other by a route: these domains are in no DNS.
    let port = other_base.saturating_add(25);
    let extra =
        format!("[delivery.route]\n\"{other}\" = {{ host = \"[127.0.0.1]\", port = {port} }}\n");
    init::init(&arguments, &extra).await?;
    serve::start(path)
        .await
        .wrap_err_with(|| format!("the demo's site for {domain} cannot be served"))
}

/// Where the demo's sites lie.
struct Place {
    directory: PathBuf,
    temporary: bool,
}

impl Place {
    fn choose(named: Option<&Path>) -> Result<Self> {
        if let Some(path) = named {
            let directory = absolute(path)?;
            if !files::is_vacant(&directory).into_diagnostic()? {
                miette::bail!(
                    help = "name a new directory, or none for a temporary one",
                    "{} is not empty",
                    directory.display()
                );
            }
            return Ok(Self {
                directory,
                temporary: false,
            });
        }
        let name = format!("kakitome-demo-{}", std::process::id());
        Ok(Self {
            directory: std::env::temp_dir().join(name),
            temporary: true,
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
        if self.temporary {
            return self.directory.join("partner");
        }
        let mut name = self.directory.clone().into_os_string();
        name.push("-partner");
        name.into()
    }

    fn leave(&self) -> Result<()> {
        if self.temporary {
            std::fs::remove_dir_all(&self.directory)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot remove {}", self.directory.display()))?;
            return Ok(());
        }
        tell(&[format!(
            "The sites stay: serve them again with `kakitome serve {}` and `kakitome serve {}`.",
            self.city().display(),
            self.partner().display()
        )])
    }
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
        lines.push(format!(
            "  {:<24} {}   ({})",
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
    let directory = place.city();
    vec![
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
        format!("  kakitome -C {} status", directory.display()),
        format!(
            "  kakitome -C {} audit search --address {address}",
            directory.display()
        ),
    ]
}

//! Where mail for a domain goes: a next hop that settings name, or the hosts of its MX records.

use std::net::{IpAddr, SocketAddr};

use message::{
    StatusCode,
    address::{Domain, Host},
};
use world::World;

use crate::{
    resolver::{Answer, Mx, Proven, Resolver},
    settings::{NextHop, Roles, Settings, TlsPolicy},
};

/// The way to a domain.
#[derive(Clone, Debug)]
pub(crate) enum Hop {
    /// A server that settings name.
    Named(NextHop),
    /// The domain's own mail exchangers.
    Exchangers(Domain),
}

/// Why there is no way to a domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRoute {
    /// There never will be, as far as DNS says.
    #[error("{text}")]
    Permanent {
        /// What kind of failure.
        status: StatusCode,
        /// In words.
        text: String,
    },
    /// Not now.
    #[error("{0}")]
    Temporary(String),
}

impl Hop {
    /// The way to `domain`, which is ours or not.
    pub(crate) fn to(domain: &Domain, is_own: bool, settings: &Settings) -> Self {
        if is_own
            && settings.roles == Roles::Exchange
            && let Some(server) = &settings.mailbox_server
        {
            // Clause 5.1(1): own-domain mail goes to the mailbox server and nowhere else, and to nobody
            // who only pretends to be it.
            let mut server = server.clone();
            server.tls = TlsPolicy::Verified;
            return Self::Named(server);
        }
        let route = settings
            .routes
            .get(domain)
            .or(settings.default_route.as_ref());
        route.map_or_else(
            || Self::Exchangers(domain.clone()),
            |hop| Self::Named(hop.clone()),
        )
    }

    /// What shares connections and concurrency with it.
    pub(crate) fn destination(&self) -> String {
        match self {
            Self::Named(hop) => hop.destination(),
            Self::Exchangers(domain) => domain.as_str().to_owned(),
        }
    }

    /// What shares connections with it: never two hops that log in or trust otherwise.
    pub(crate) fn connections(&self) -> String {
        match self {
            Self::Named(hop) => {
                let roots = hop.roots.as_ref().map(std::sync::Arc::as_ptr);
                let identity = hop.credentials.as_ref().map(|c| &c.identity);
                format!(
                    "{} {} {:?} {identity:?} {roots:?}",
                    hop.destination(),
                    hop.implicit_tls,
                    hop.certificate_name
                )
            }
            Self::Exchangers(domain) => domain.as_str().to_owned(),
        }
    }

    /// Whether more than an unsigned MX record says that `host` serves the destination: settings, or its name within
    /// the destination's domain, which its certificate must have.
    pub(crate) fn vouches_for(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Named(hop), _) => !hop.use_mx || *host == hop.host,
            (Self::Exchangers(domain), Host::Domain(name)) => {
                let rest = name.as_str().strip_suffix(domain.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Exchangers(_), Host::Literal(_)) => false,
        }
    }

    /// The port to connect to.
    pub(crate) fn port(&self, settings: &Settings) -> u16 {
        match self {
            Self::Named(hop) => hop.port,
            Self::Exchangers(_) => settings.outbound.relay_port,
        }
    }

    /// The lowest TLS on this way for mail to `domain`: what the domain demands and what the hop demands, whichever is
    /// more. That strangers are spoken to opportunistically is no demand: a hop whose STARTTLS is broken may do
    /// without.
    pub(crate) fn tls(&self, domain: &Domain, settings: &Settings) -> TlsPolicy {
        let asked = settings.tls_for(domain);
        match self {
            Self::Exchangers(_) => asked,
            Self::Named(hop) => {
                let demanded =
                    asked == TlsPolicy::Verified || settings.minimum_tls.contains_key(domain);
                if demanded {
                    hop.tls.max(asked)
                } else {
                    hop.tls
                }
            }
        }
    }

    /// The hosts to try, best first, and whether it is proven that they serve the destination.
    ///
    /// # Errors
    /// [`NoRoute`].
    pub(crate) async fn hosts(
        &self,
        resolver: &dyn Resolver,
        world: &World,
        settings: &Settings,
    ) -> Result<(Vec<Host>, bool), NoRoute> {
        let domain = match self {
            Self::Exchangers(domain) => domain,
            Self::Named(hop) => match &hop.host {
                Host::Domain(domain) if hop.use_mx => domain,
                host => return Ok((vec![host.clone()], true)),
            },
        };
        let found = resolver.mx(domain).await;
        // Without MX records the host is the domain itself: its own addresses then are what has to be proven.
        let proven = found.secure || found.answer == Answer::NoRecords;
        let hosts = exchangers(domain, found.answer, world, settings)?;
        Ok((hosts, proven))
    }

    /// The domain whose exchangers are asked for, if they are.
    pub(crate) fn exchanged(&self) -> Option<&Domain> {
        match self {
            Self::Exchangers(domain) => Some(domain),
            Self::Named(hop) => match &hop.host {
                Host::Domain(domain) if hop.use_mx => Some(domain),
                Host::Domain(_) | Host::Literal(_) => None,
            },
        }
    }
}

/// Puts MX records into the order of RFC 5321, section 5.1.
fn exchangers(
    domain: &Domain,
    answer: Answer<Mx>,
    world: &World,
    settings: &Settings,
) -> Result<Vec<Host>, NoRoute> {
    let records = match answer {
        Answer::Found(records) => records,
        // The implicit MX: the domain itself.
        Answer::NoRecords => return Ok(vec![Host::Domain(domain.clone())]),
        Answer::NoName => {
            return Err(NoRoute::Permanent {
                status: StatusCode::permanent(1, 2),
                text: format!("The domain {domain} does not exist"),
            });
        }
        Answer::Temporary(why) => return Err(NoRoute::Temporary(why)),
    };
    let mut hosts: Vec<(u16, u32, Domain)> = records
        .into_iter()
        .filter_map(|mx| Some((mx.preference, world.below(u32::MAX), mx.host?)))
        .collect();
    if hosts.is_empty() {
        return Err(NoRoute::Permanent {
            status: StatusCode::permanent(1, 10),
            text: format!("The domain {domain} accepts no mail (null MX)"),
        });
    }
    // Equals in random order, so that they share the load.
    hosts.sort();
    let ours = hosts
        .iter()
        .find(|(_, _, host)| *host == settings.hostname)
        .map(|(preference, ..)| *preference);
    if let Some(ours) = ours {
        // Whoever is an exchanger itself may only hand on to better ones, or mail goes in circles.
        hosts.retain(|(preference, ..)| *preference < ours);
        if hosts.is_empty() {
            return Err(NoRoute::Permanent {
                status: StatusCode::permanent(4, 6),
                text: format!(
                    "Mail for {domain} loops back to this server, which does not accept it"
                ),
            });
        }
    }
    Ok(hosts
        .into_iter()
        .map(|(_, _, host)| Host::Domain(host))
        .take(settings.outbound.hosts_per_attempt.max(1))
        .collect())
}

/// The addresses of one host.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// IPv6 and IPv4 by turns; empty when DNS says that it has none.
    pub(crate) list: Vec<SocketAddr>,
    /// Whether DNSSEC proves all of them, and the aliases that led to them.
    pub(crate) secure: bool,
    /// The name that they are of, where aliases lead from the host to another.
    pub(crate) canonical: Option<Domain>,
}

/// The addresses of one host.
///
/// # Errors
/// Why they cannot be had now.
pub(crate) async fn addresses(
    host: &Host,
    port: u16,
    resolver: &dyn Resolver,
    settings: &Settings,
) -> Result<Addresses, String> {
    let domain = match host {
        Host::Literal(ip) => {
            return Ok(Addresses {
                list: vec![SocketAddr::new(*ip, port)],
                ..Addresses::default()
            });
        }
        Host::Domain(domain) => domain,
    };
    let (v6, v4) = tokio::join!(resolver.aaaa(domain), resolver.a(domain));
    let secure = is_secure(&v6).unwrap_or(true)
        && is_secure(&v4).unwrap_or(true)
        && (v6.secure || v4.secure);
    let canonical = v6.canonical.or(v4.canonical);
    let mut trouble = None;
    let mut v6 = found(v6.answer, &mut trouble).into_iter().map(IpAddr::V6);
    let mut v4 = found(v4.answer, &mut trouble).into_iter().map(IpAddr::V4);
    let mut mixed = Vec::new();
    loop {
        let pair = [v6.next(), v4.next()];
        if pair.iter().all(Option::is_none) {
            break;
        }
        mixed.extend(pair.into_iter().flatten().filter(|ip| is_host(*ip)));
    }
    mixed.truncate(settings.outbound.addresses_per_host.max(1));
    match trouble {
        Some(why) if mixed.is_empty() => Err(why),
        _ => Ok(Addresses {
            list: mixed
                .into_iter()
                .map(|ip| SocketAddr::new(ip, port))
                .collect(),
            secure,
            canonical,
        }),
    }
}

/// Whether what was found is proven, if something was found.
fn is_secure<T>(proven: &Proven<T>) -> Option<bool> {
    matches!(proven.answer, Answer::Found(_)).then_some(proven.secure)
}

fn found<T>(answer: Answer<T>, trouble: &mut Option<String>) -> Vec<T> {
    match answer {
        Answer::Found(records) => records,
        Answer::NoRecords | Answer::NoName => Vec::new(),
        Answer::Temporary(why) => {
            *trouble = Some(why);
            Vec::new()
        }
    }
}

/// Whether one host can have the address. Foreign DNS must not make this server speak to groups.
fn is_host(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !(ip.is_unspecified() || ip.is_multicast() || broadcast)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::resolver::FixedResolver;

    fn d(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    fn mx(preference: u16, host: &str) -> Mx {
        Mx {
            preference,
            host: (host != ".").then(|| d(host)),
        }
    }

    fn order(answer: Answer<Mx>) -> Result<Vec<String>, NoRoute> {
        let settings = Settings {
            hostname: d("us.example"),
            ..Settings::default()
        };
        exchangers(&d("x.example"), answer, &World::system(), &settings)
            .map(|hosts| hosts.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lower_preference_first_and_equals_by_chance() {
        let records = || {
            Answer::Found(vec![
                mx(20, "c.example"),
                mx(10, "a.example"),
                mx(10, "b.example"),
            ])
        };
        let mut firsts = std::collections::BTreeSet::new();
        for _ in 0..64 {
            let hosts = order(records()).unwrap();
            assert_eq!(hosts.last().unwrap(), "c.example");
            firsts.insert(hosts.first().unwrap().clone());
        }
        assert_eq!(firsts.len(), 2);
    }

    #[test]
    fn null_and_implicit_mx() {
        assert_eq!(order(Answer::NoRecords).unwrap(), ["x.example"]);
        assert!(matches!(
            order(Answer::Found(vec![mx(0, ".")])),
            Err(NoRoute::Permanent { status, .. }) if status == StatusCode::permanent(1, 10)
        ));
        assert_eq!(
            order(Answer::Found(vec![mx(0, "."), mx(5, "a.example")])).unwrap(),
            ["a.example"]
        );
        assert!(matches!(
            order(Answer::NoName),
            Err(NoRoute::Permanent { .. })
        ));
        assert!(matches!(
            order(Answer::Temporary("x".into())),
            Err(NoRoute::Temporary(_))
        ));
    }

    #[test]
    fn only_better_exchangers_than_ourselves() {
        let records = vec![
            mx(5, "a.example"),
            mx(10, "US.example"),
            mx(10, "b.example"),
            mx(20, "c.example"),
        ];
        assert_eq!(order(Answer::Found(records)).unwrap(), ["a.example"]);
        assert!(matches!(
            order(Answer::Found(vec![mx(10, "us.example"), mx(20, "c.example")])),
            Err(NoRoute::Permanent { status, .. }) if status == StatusCode::permanent(4, 6)
        ));
    }

    #[test]
    fn settings_decide_before_dns() {
        let mut settings = Settings {
            roles: Roles::Exchange,
            mailbox_server: Some(NextHop::new(Host::Domain(d("box.example")), 2525)),
            ..Settings::default()
        };
        settings.routes.insert(
            d("x.example"),
            NextHop::new(Host::Domain(d("smart.example")), 587),
        );
        assert_eq!(
            Hop::to(&d("x.example"), false, &settings).destination(),
            "smart.example:587"
        );
        assert_eq!(
            Hop::to(&d("y.example"), false, &settings).destination(),
            "y.example"
        );
        let own = Hop::to(&d("x.example"), true, &settings);
        assert_eq!(own.destination(), "box.example:2525");
        assert_eq!(own.tls(&d("x.example"), &settings), TlsPolicy::Verified);
    }

    #[test]
    fn what_a_domain_demands_holds_by_any_hop() {
        use TlsPolicy::{None, Opportunistic, Verified};
        for (of_hop, of_domain, by_default, expected) in [
            (Opportunistic, Some(Verified), Opportunistic, Verified),
            (Opportunistic, Option::None, Verified, Verified),
            (None, Some(Opportunistic), Opportunistic, Opportunistic),
            (None, Option::None, Opportunistic, None),
            (Verified, Some(None), Opportunistic, Verified),
            (Verified, Option::None, None, Verified),
        ] {
            let mut hop = NextHop::new(Host::Domain(d("smart.example")), 587);
            hop.tls = of_hop;
            let mut settings = Settings {
                default_route: Some(hop),
                default_tls: by_default,
                ..Settings::default()
            };
            if let Some(tls) = of_domain {
                settings.minimum_tls.insert(d("x.example"), tls);
            }
            let way = Hop::to(&d("x.example"), false, &settings);
            assert_eq!(way.tls(&d("x.example"), &settings), expected);
        }
    }

    #[tokio::test]
    async fn addresses_alternate_and_never_mean_groups() {
        let resolver = FixedResolver::new();
        let ips = [
            "192.0.2.1",
            "192.0.2.2",
            "2001:db8::1",
            "224.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
        ];
        let ips = ips.map(|ip| ip.parse().unwrap()).to_vec();
        resolver.set_host(d("a.example"), Answer::Found(ips));
        let host = Host::Domain(d("a.example"));
        let settings = Settings::default();
        let got = addresses(&host, 25, &resolver, &settings).await.unwrap();
        let got: Vec<String> = got.list.iter().map(ToString::to_string).collect();
        assert_eq!(got, ["[2001:db8::1]:25", "192.0.2.1:25", "192.0.2.2:25"]);
        resolver.set_lost(true);
        assert!(addresses(&host, 25, &resolver, &settings).await.is_err());
    }
}

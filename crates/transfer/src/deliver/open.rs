//! A connection on its way: the socket, the greeting, and TLS as the host has to be held to.

use std::{io, net::SocketAddr, sync::Arc};

use message::{StatusCode, address::Host, tls_report};
use protocol::{
    sasl::{ChannelBindings, Nonce},
    smtp::client::{self, Client, Config, Event, Failure},
};
use rustls::pki_types::ServerName;
use tokio::time::Instant;
use wire::Stream;

use super::{
    Link,
    link::{flush, turn, within},
    security::{Demand, Secured},
};
use crate::{
    EightBit, NextHop, Settings, TlsPolicy, Transfer,
    outcome::{Outcome, Remote, RemoteTls},
    route::Hop,
    tls_reports::Trouble,
};

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The socket, the handshake or the dialogue failed.
    Failed {
        /// What kind of failure.
        status: StatusCode,
        /// In words.
        text: String,
        /// Who was spoken to.
        remote: Box<Remote>,
        /// How TLS failed, if that is why.
        tls: Option<Trouble>,
    },
    /// The TLS handshake failed.
    Handshake(String, Box<Remote>, Trouble),
}

impl OpenError {
    /// The same, after TLS had failed.
    fn after(mut self, trouble: Trouble) -> Self {
        if let Self::Failed { tls, .. } = &mut self {
            *tls = Some(trouble);
        }
        self
    }

    /// How TLS failed, if that is why.
    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Failed { tls, .. } => tls.as_ref(),
            Self::Handshake(_, _, trouble) => Some(trouble),
        }
    }

    /// What it means for the recipients: nothing is final, since another host or another day may do better.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Failed {
                status,
                text,
                remote,
                tls: _,
            } => Outcome::deferred(status, text).by(Some(&remote)),
            Self::Handshake(text, remote, _) => {
                Outcome::deferred(StatusCode::transient(7, 5), text).by(Some(&remote))
            }
        }
    }
}

/// Connects, greets, and secures the connection as `demand` says. Where encryption is only an opportunity
/// and its handshake fails, a second connection is made without.
///
/// # Errors
/// [`OpenError`].
pub(crate) async fn open(
    transfer: &Transfer,
    settings: &Arc<Settings>,
    hop: &Hop,
    host: &Host,
    address: SocketAddr,
    demand: &Demand,
) -> Result<Link, OpenError> {
    let opening = Opening {
        transfer,
        settings,
        hop: match hop {
            Hop::Named(hop) => Some(hop),
            Hop::Exchangers(_) => None,
        },
        host,
        address,
        demand,
    };
    match opening.open(demand.word()).await {
        Err(OpenError::Handshake(text, remote, trouble)) if opening.may_be_plain() => {
            tracing::info!(host = %remote.host, text, "TLS failed; going on without, as opportunistic TLS does");
            // Of the two connections one counts: that whose TLS failed.
            match opening.plainly().await {
                Ok(link) => Ok(link.after(trouble)),
                Err(error) => Err(error.after(trouble)),
            }
        }
        result => result,
    }
}

/// A connection on its way.
struct Opening<'a> {
    transfer: &'a Transfer,
    settings: &'a Arc<Settings>,
    hop: Option<&'a NextHop>,
    host: &'a Host,
    address: SocketAddr,
    demand: &'a Demand,
}

impl Opening<'_> {
    fn may_be_plain(&self) -> bool {
        let implicit = self.hop.is_some_and(|hop| hop.implicit_tls);
        let login = self.hop.is_some_and(|hop| hop.credentials.is_some());
        let is_opportunity = matches!(
            self.demand,
            Demand::Policy(TlsPolicy::Opportunistic) | Demand::Trial(_)
        );
        is_opportunity && !implicit && !login
    }

    /// Without TLS, where it was tried and failed.
    async fn plainly(&self) -> Result<Link, OpenError> {
        Opening {
            demand: &Demand::Policy(TlsPolicy::None),
            ..*self
        }
        .open(self.demand.word())
        .await
    }

    fn remote(&self) -> Remote {
        Remote {
            host: self.host.to_string(),
            address: self.address.ip(),
            policy: self.demand.word(),
            tls: None,
        }
    }

    fn failed(&self, status: StatusCode, text: String) -> OpenError {
        OpenError::Failed {
            status,
            text,
            remote: Box::new(self.remote()),
            tls: None,
        }
    }

    /// As [`Opening::failed`], where the server has no TLS.
    fn no_tls(&self, text: String) -> OpenError {
        OpenError::Failed {
            status: StatusCode::transient(7, 10),
            text,
            remote: Box::new(self.remote()),
            tls: Some(Trouble::new(tls_report::Failure::StartTlsNotSupported)),
        }
    }

    async fn open(&self, policy: &'static str) -> Result<Link, OpenError> {
        let judged = Instant::now();
        let waits = self.settings.outbound.waits;
        let dial = self
            .transfer
            .dialer()
            .dial(self.address, self.settings.outbound.bind);
        let connected = within(waits.connect, dial).await;
        let mut stream = connected.map_err(|e| {
            self.failed(
                StatusCode::transient(4, 1),
                format!("connecting to {}: {e}", self.address),
            )
        })?;
        let mut machine = Client::new(self.config());
        if self.hop.is_some_and(|hop| hop.implicit_tls) {
            stream = self.secure(stream).await?;
            machine.tls_started(bindings(&stream));
        }
        loop {
            match machine.next_event() {
                Event::Ready => {
                    let (secured, mut remote) = self.secured(&stream)?;
                    remote.policy = policy;
                    return Ok(Link::new(stream, machine, remote, secured, waits, judged));
                }
                Event::Handshake => {
                    flush(&mut stream, &mut machine, waits.command)
                        .await
                        .map_err(|e| self.lost(&e))?;
                    stream = self.secure(stream).await?;
                    machine.tls_started(bindings(&stream));
                }
                Event::NeedInput => {
                    turn(&mut stream, &mut machine, &waits)
                        .await
                        .map_err(|e| self.lost(&e))?;
                }
                Event::Failed(failure) => {
                    // The machine's last words are a courtesy; the failure is known already.
                    if let Err(error) = flush(&mut stream, &mut machine, waits.quit).await {
                        tracing::debug!(host = %self.host, %error, "closing");
                    }
                    return Err(self.refused(&failure));
                }
                Event::Body | Event::Finished(_) | Event::Closed => {
                    return Err(self.lost(&io::ErrorKind::UnexpectedEof.into()));
                }
            }
        }
    }

    fn config(&self) -> Config {
        let mut config = Config::new(self.settings.hostname.as_str());
        let login = self.hop.and_then(|hop| hop.credentials.as_ref());
        config.tls = match self.demand {
            _ if login.is_some() => client::TlsPolicy::Required,
            Demand::Policy(TlsPolicy::None) => client::TlsPolicy::Never,
            Demand::Policy(TlsPolicy::Opportunistic) | Demand::Trial(_) => {
                client::TlsPolicy::IfOffered
            }
            Demand::Policy(TlsPolicy::Verified)
            | Demand::Encrypted
            | Demand::Dane(_)
            | Demand::Sts => client::TlsPolicy::Required,
        };
        config.force_8bit = self.settings.outbound.eight_bit == EightBit::Send;
        config.login = login.map(|credentials| client::Login {
            identity: credentials.identity.clone(),
            password: credentials.password.clone(),
            nonce: Nonce::new(self.transfer.world().bytes()),
        });
        config
    }

    async fn secure(&self, stream: Stream) -> Result<Stream, OpenError> {
        let failed = |e: &dyn std::fmt::Display, trouble: Trouble| {
            OpenError::Handshake(
                format!("TLS with {} ({}): {e}", self.host, self.address.ip()),
                Box::new(self.remote()),
                trouble,
            )
        };
        let handshake_failed = |e: &dyn std::fmt::Display| failed(e, Trouble::other(e.to_string()));
        let config = self
            .demand
            .client(self.transfer.client_tls(), self.hop)
            .map_err(|e| handshake_failed(&e))?;
        let name = self.server_name().map_err(|e| handshake_failed(&e))?;
        let handshake = stream.connect_tls(config, name);
        within(self.settings.outbound.waits.handshake, handshake)
            .await
            .map_err(|e| failed(&e, Trouble::of(&e)))
    }

    /// The name that the server is told, and that its certificate must have where roots vouch for it.
    fn server_name(&self) -> Result<ServerName<'static>, String> {
        if let Some(name) = self.demand.server_name() {
            return Ok(name);
        }
        let named = self.hop.and_then(|hop| hop.certificate_name.as_ref());
        match named.unwrap_or(self.host) {
            Host::Literal(ip) => Ok(ServerName::IpAddress((*ip).into())),
            Host::Domain(domain) => ServerName::try_from(domain.as_str().to_owned())
                .map_err(|e| format!("{domain}: {e}")),
        }
    }

    /// How well the connection is secured, if that is enough.
    fn secured(&self, stream: &Stream) -> Result<(Secured, Remote), OpenError> {
        let secured = match stream.tls() {
            None => Secured::Plain,
            Some(_) => self.demand.met(),
        };
        if secured == Secured::Plain && !self.demand.may_be_plain() {
            let text = format!("{} offers no TLS, and this mail demands it", self.host);
            return Err(self.no_tls(text));
        }
        let mut remote = self.remote();
        remote.tls = stream.tls().map(|facts| RemoteTls {
            version: facts.version.to_owned(),
            cipher: facts.cipher.clone(),
            verified: secured.is_verified(),
        });
        Ok((secured, remote))
    }

    fn lost(&self, error: &io::Error) -> OpenError {
        self.failed(
            StatusCode::transient(4, 2),
            format!("speaking to {} ({}): {error}", self.host, self.address.ip()),
        )
    }

    fn refused(&self, failure: &Failure) -> OpenError {
        let text = format!("{} ({}): {failure}", self.host, self.address.ip());
        let status = match failure {
            Failure::Refused(_, reply) => reply
                .status()
                .filter(|s| !s.is_permanent())
                .unwrap_or(StatusCode::transient(3, 2)),
            Failure::NoTls => return self.no_tls(text),
            Failure::NoMechanism | Failure::Auth(_) => StatusCode::transient(7, 0),
            Failure::Lost(..) => StatusCode::transient(4, 2),
        };
        self.failed(status, text)
    }
}

fn bindings(stream: &Stream) -> ChannelBindings {
    stream
        .tls()
        .map_or_else(ChannelBindings::none, |tls| ChannelBindings {
            server_end_point: None,
            exporter: (!tls.exporter.is_empty()).then(|| tls.exporter.to_vec()),
        })
}

//! One attempt: a message to the recipients that share a way.

mod link;
mod open;
mod pool;
mod security;

use std::{net::SocketAddr, sync::Arc};

use directory::Resolution;
use message::{StatusCode, address::Host, tls_report::Failure};
use protocol::smtp::client::{self, Stage};
use store::{
    queue::{NewQueued, Recipient},
    tls_report::Session,
};

pub(crate) use link::Link;
pub(crate) use open::{OpenError, open};
pub(crate) use pool::Pool;
pub(crate) use security::Demand;
use security::Secured;

use crate::{
    Settings, TlsPolicy, Transfer,
    connect::Watch,
    dane::{self, Dane},
    outcome::{Fate, Outcome},
    queue::Way,
    route::{self, Addresses, Hop, NoRoute},
    sts::{Demanded, Mode},
    tls_reports::{Ledger, Standing, Trouble},
    trace,
};

/// Recipients of one transaction at most, where the server does not say; RFC 5321, section 4.5.3.1.8, obliges
/// it to take this many.
const RECIPIENTS_AT_ONCE: usize = 100;

/// What is to be delivered.
pub(crate) struct Job<'a> {
    /// The message.
    pub(crate) message: &'a NewQueued,
    /// Its octets.
    pub(crate) raw: &'a [u8],
    /// To whom.
    pub(crate) recipients: &'a [Recipient],
    /// Whether it is a report about TLS: what the DNS and the destination demand of connections does not hold it up (RFC 8460,
    /// section 3), and nothing is told of the connection.
    pub(crate) tells_of_tls: bool,
}

/// What came of an attempt.
#[derive(Default)]
pub(crate) struct Attempted {
    /// One outcome for each recipient, in their order.
    pub(crate) outcomes: Vec<Outcome>,
    /// How sessions with the destination's servers came out, if that is told.
    pub(crate) sessions: Vec<Session>,
}

/// One attempt.
pub(crate) async fn attempt(
    transfer: &Transfer,
    settings: &Arc<Settings>,
    way: &Way,
    job: &Job<'_>,
) -> Attempted {
    let mut attempted = Attempted::default();
    let hop = match way {
        Way::Here => {
            attempted.outcomes = here(transfer, job).await;
            return attempted;
        }
        Way::Away(hop) => hop,
    };
    for recipients in job.recipients.chunks(RECIPIENTS_AT_ONCE) {
        let part = Job {
            message: job.message,
            raw: trace::without_return_path(job.raw),
            recipients,
            tells_of_tls: job.tells_of_tls,
        };
        let mut attempt = Attempt::new(transfer, settings, hop, &part);
        attempted.outcomes.extend(attempt.run().await);
        let sessions = attempt.told.map(Ledger::into_sessions);
        attempted.sessions.extend(sessions.unwrap_or_default());
    }
    attempted
}

/// Into mailboxes here: notifications that waited for room, and mail for a domain that has become ours.
async fn here(transfer: &Transfer, job: &Job<'_>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for waiting in job.recipients {
        let found = transfer
            .directory()
            .resolve(&waiting.recipient.address, job.message.size)
            .await;
        outcomes.push(match found {
            Ok(Resolution::Local(locals) | Resolution::Restricted(locals, _)) => Outcome {
                fate: Fate::Local {
                    accounts: locals.into_iter().map(|local| local.account).collect(),
                },
                remote: None,
            },
            Ok(Resolution::OverQuota) => {
                Outcome::deferred(StatusCode::transient(2, 2), "The mailbox is full")
            }
            Ok(Resolution::Unattended) => Outcome::deferred(
                StatusCode::transient(3, 2),
                "The site has no account yet that could keep it",
            ),
            Ok(Resolution::Unknown | Resolution::Foreign) => {
                Outcome::failed(StatusCode::permanent(1, 1), "No such mailbox here")
            }
            Err(error) => Outcome::deferred(StatusCode::transient(3, 0), error.to_string()),
        });
    }
    outcomes
}

/// An attempt under way.
struct Attempt<'a> {
    transfer: &'a Transfer,
    settings: &'a Arc<Settings>,
    hop: &'a Hop,
    job: &'a Job<'a>,
    /// The lowest TLS that all of the recipients need.
    tls: TlsPolicy,
    /// What the destination's policy (MTA-STS) demands, if it has one.
    sts: Demanded,
    /// How sessions came out, if that is told.
    told: Option<Ledger>,
    /// What to say when no host takes the message.
    last: Option<Outcome>,
}

/// Whether to go on with another host.
enum Tried {
    Done(Vec<Outcome>),
    Next(Outcome),
}

impl<'a> Attempt<'a> {
    fn new(
        transfer: &'a Transfer,
        settings: &'a Arc<Settings>,
        hop: &'a Hop,
        job: &'a Job<'a>,
    ) -> Self {
        let mut tls = job
            .recipients
            .iter()
            .map(|waiting| hop.tls(waiting.recipient.address.domain(), settings))
            .max()
            .unwrap_or_default();
        if job.message.require_tls {
            tls = TlsPolicy::Verified;
        }
        let mut attempt = Self {
            transfer,
            settings,
            hop,
            job,
            tls,
            sts: Demanded::default(),
            told: None,
            last: None,
        };
        // Where the settings say how a destination is spoken to, its own policies are not asked, so nothing can be told of them.
        if let Hop::Exchangers(domain) = hop
            && attempt.asks()
            && settings.tls_reports.reporter.is_some()
        {
            attempt.told = Some(Ledger::new(domain, settings.outbound.bind));
        }
        attempt
    }

    async fn run(&mut self) -> Vec<Outcome> {
        let (destination, connections) = (self.hop.destination(), self.hop.connections());
        // An idle connection may have been closed by the other side: then a fresh one is made. REQUIRETLS judges each
        // host by itself, which an idle connection has not been.
        while !self.job.message.require_tls
            && let Some(link) =
                self.transfer
                    .pool()
                    .take(&connections, self.tls, self.settings.outbound.idle)
        {
            match self.send(link).await {
                Tried::Done(outcomes) => return outcomes,
                Tried::Next(_) => {}
            }
        }
        let (hosts, proven) = match self
            .hop
            .hosts(
                self.transfer.resolver(),
                self.transfer.world(),
                self.settings,
            )
            .await
        {
            Ok(hosts) => hosts,
            Err(NoRoute::Permanent { status, text }) => {
                return self.all(&Outcome::failed(status, text));
            }
            Err(NoRoute::Temporary(text)) => {
                return self.all(&Outcome::deferred(StatusCode::transient(4, 3), text));
            }
        };
        if let Hop::Exchangers(domain) = self.hop
            && self.asks()
        {
            match self.transfer.sts_policy(self.settings, domain).await {
                Ok(demanded) => self.sts = demanded,
                Err(text) => {
                    return self.all(&Outcome::deferred(StatusCode::transient(3, 0), text));
                }
            }
        }
        for host in hosts {
            if let Some(outcomes) = self.try_host(&host, proven).await {
                return outcomes;
            }
        }
        let last = self.last.take().unwrap_or_else(|| {
            Outcome::failed(
                StatusCode::permanent(4, 4),
                format!("No host of {destination} has an address"),
            )
        });
        self.all(&last)
    }

    /// `proven`: whether it is proven that `host` serves the destination.
    async fn try_host(&mut self, host: &Host, proven: bool) -> Option<Vec<Outcome>> {
        let is_known = proven || self.is_enforced(host) || self.hop.vouches_for(host);
        if self.job.message.require_tls && !is_known {
            // RFC 8689, section 4.2.1: the way must be one that nobody could have forged.
            let text = format!(
                "{host} was named by DNS alone, and REQUIRETLS (RFC 8689) demands more than that"
            );
            self.note(Outcome::failed(StatusCode::permanent(7, 30), text));
            return None;
        }
        let port = self.hop.port(self.settings);
        let addresses =
            match route::addresses(host, port, self.transfer.resolver(), self.settings).await {
                Ok(addresses) => addresses,
                Err(text) => {
                    self.note(Outcome::deferred(StatusCode::transient(4, 3), text));
                    return None;
                }
            };
        let (demand, standing) = match self.demand(host, proven, &addresses).await {
            Ok(found) => found,
            Err((outcome, standing)) => {
                if let Some(told) = &mut self.told {
                    told.note(&standing, host, None, None);
                }
                self.note(outcome);
                return None;
            }
        };
        for address in addresses.list {
            let opened = open(
                self.transfer,
                self.settings,
                self.hop,
                host,
                address,
                &demand,
            )
            .await;
            self.tell(&standing, &demand, (host, address), &opened);
            let tried = match opened {
                Ok(link) => self.send(link).await,
                Err(error) => Tried::Next(error.outcome()),
            };
            match tried {
                Tried::Done(outcomes) => return Some(outcomes),
                Tried::Next(outcome) => self.note(outcome),
            }
        }
        None
    }

    /// Notes how a session came out. What ended before it came to TLS says nothing of it.
    fn tell(
        &mut self,
        standing: &Standing,
        demand: &Demand,
        (host, address): (&Host, SocketAddr),
        opened: &Result<Link, OpenError>,
    ) {
        let Some(told) = &mut self.told else {
            return;
        };
        let trouble = match opened {
            Ok(link) => match (link.trouble(), link.secured()) {
                (Some(trouble), _) => Some(trouble.clone()),
                (None, Secured::Plain) => Some(Trouble::new(Failure::StartTlsNotSupported)),
                (None, _) => demand.trouble(),
            },
            Err(error) => match error.trouble() {
                Some(trouble) => Some(trouble.clone()),
                None => return,
            },
        };
        told.note(standing, host, Some(address), trouble);
    }

    /// How a connection to `host` has to be secured, and the policy that says so. What the settings demand for the destination stands; where they leave it to the
    /// opportunity, or a message asks for TLS by itself, DANE is asked first (RFC 8461, section 2), and then the destination's policy.
    async fn demand(
        &self,
        host: &Host,
        proven: bool,
        addresses: &Addresses,
    ) -> Result<(Demand, Standing), (Outcome, Standing)> {
        let (true, Host::Domain(name)) = (self.asks(), host) else {
            return Ok((Demand::Policy(self.tls), Standing::none()));
        };
        let resolver = self.transfer.resolver();
        let port = self.hop.port(self.settings);
        let dane = if proven {
            dane::of_host(resolver, name, port, addresses, self.hop.exchanged())
                .await
                // RFC 7672, section 2.1.2: what cannot be asked for now is no leave to do without.
                .map_err(|text| {
                    let standing = Standing::unproven(text.clone());
                    (
                        Outcome::deferred(StatusCode::transient(4, 3), text),
                        standing,
                    )
                })?
        } else {
            Dane::Absent
        };
        let mode = self.sts.policy.as_ref().map(|policy| policy.mode);
        let enforces = mode == Some(Mode::Enforce);
        let opportunistic = self.tls == TlsPolicy::Opportunistic;
        let by_domain = match (&self.sts.policy, &self.sts.trouble) {
            (Some(policy), _) => Standing::sts(policy, host),
            (None, Some(trouble)) => Standing::without_policy(trouble.clone()),
            (None, None) => Standing::none(),
        };
        match dane {
            Dane::Demanded(association) => {
                let standing = Standing::dane(Some(&association));
                Ok((Demand::Dane(association), standing))
            }
            Dane::Unusable | Dane::Absent if enforces && !self.is_enforced(host) => {
                let text = format!(
                    "{host} is not among the hosts that the domain's policy (MTA-STS) names"
                );
                let outcome = Outcome::deferred(StatusCode::transient(7, 0), text);
                Err((outcome, by_domain))
            }
            Dane::Unusable | Dane::Absent if enforces => Ok((Demand::Sts, by_domain)),
            Dane::Unusable if opportunistic => Ok((Demand::Encrypted, Standing::dane(None))),
            Dane::Absent if opportunistic && mode == Some(Mode::Testing) && self.told.is_some() => {
                Ok((Demand::Trial(Watch::default()), by_domain))
            }
            Dane::Unusable => Ok((Demand::Policy(self.tls), Standing::dane(None))),
            Dane::Absent => Ok((Demand::Policy(self.tls), by_domain)),
        }
    }

    /// Whether the DNS and the destination are asked how connections have to be secured.
    fn asks(&self) -> bool {
        let wanted = self.tls == TlsPolicy::Opportunistic || self.job.message.require_tls;
        wanted && !self.job.tells_of_tls
    }

    /// Whether the destination's policy (MTA-STS) demands verified TLS, and names `host`.
    fn is_enforced(&self, host: &Host) -> bool {
        let (Some(policy), Host::Domain(name)) = (&self.sts.policy, host) else {
            return false;
        };
        policy.mode == Mode::Enforce && policy.names(name)
    }

    /// Keeps what is to be said when no host takes the message. What one host will never do says nothing of another
    /// that could not be asked: the message fails only when all have failed for good.
    fn note(&mut self, outcome: Outcome) {
        let is_deferred = |outcome: &Outcome| matches!(outcome.fate, Fate::Deferred { .. });
        if is_deferred(&outcome) || !self.last.as_ref().is_some_and(is_deferred) {
            self.last = Some(outcome);
        }
    }

    /// The message over an open connection.
    async fn send(&self, mut link: Link) -> Tried {
        if self.job.message.require_tls && !link.capabilities().requiretls {
            let text = format!(
                "{} does not support REQUIRETLS (RFC 8689)",
                link.remote().host
            );
            let outcome =
                Outcome::failed(StatusCode::permanent(7, 30), text).by(Some(link.remote()));
            // RFC 8689, section 4.2.1: other mail may still use this connection, and this message tries the
            // domain's other hosts.
            self.transfer
                .pool()
                .put(self.hop.connections(), link, self.settings);
            return Tried::Next(outcome);
        }
        let most = link
            .capabilities()
            .max_recipients
            .unwrap_or(RECIPIENTS_AT_ONCE)
            .max(1);
        let mut outcomes = Vec::with_capacity(self.job.recipients.len());
        let mut untouched = true;
        for recipients in self.job.recipients.chunks(most) {
            let part = self.send_part(&mut link, recipients, &mut untouched).await;
            outcomes.extend(part);
        }
        // Nothing was taken and nothing refused: another host may do better, and nothing can arrive twice.
        if let Some(first) = outcomes.first().filter(|_| untouched) {
            return Tried::Next(first.clone());
        }
        self.transfer
            .pool()
            .put(self.hop.connections(), link, self.settings);
        Tried::Done(outcomes)
    }

    /// The message with the mark of this site in its return path, if it goes to others in the name of one of ours.
    fn marked(&self, recipients: &[Recipient]) -> Option<NewQueued> {
        let rule = self.settings.return_path.as_ref()?;
        let sender = self.job.message.sender.as_ref()?;
        let directory = self.transfer.directory();
        let is_own = |address: &message::Address| directory.is_own(address.domain());
        let mut to = recipients.iter().map(|waiting| &waiting.recipient.address);
        if !is_own(sender) || to.all(is_own) {
            return None;
        }
        let mut marked = self.job.message.clone();
        marked.sender = Some(rule.sign(sender, self.transfer.world().now()));
        Some(marked)
    }

    /// As many recipients as the server takes at once. `untouched` stays true while the server has decided
    /// nothing about the message.
    async fn send_part(
        &self,
        link: &mut Link,
        recipients: &[Recipient],
        untouched: &mut bool,
    ) -> Vec<Outcome> {
        let remote = link.remote().clone();
        let marked = self.marked(recipients);
        let message = marked.as_ref().unwrap_or(self.job.message);
        let sent = link
            .send(self.settings, message, recipients, self.job.raw)
            .await;
        let mut outcomes: Vec<Outcome> = match sent {
            Ok(delivery) => {
                let passed = Passed {
                    dsn: link.capabilities().dsn,
                    eight_bit_forced: self.job.message.body_type == EIGHT_BIT
                        && !link.capabilities().eight_bit_mime,
                };
                *untouched &= delivery.outcomes.iter().all(is_undecided);
                delivery
                    .outcomes
                    .into_iter()
                    .map(|one| judge(one, passed).by(Some(&remote)))
                    .collect()
            }
            Err(client::Unsendable::NotReady) => Vec::new(),
            Err(unsendable) => {
                *untouched = false;
                let status = unsendable.status().unwrap_or(StatusCode::permanent(5, 0));
                let text = format!("{}: {unsendable}", remote.host);
                let outcome = Outcome::failed(status, text).by(Some(&remote));
                vec![outcome; recipients.len()]
            }
        };
        // Every recipient has an outcome, whatever the connection came to.
        let gone = Outcome::deferred(StatusCode::transient(4, 2), "The connection was lost");
        outcomes.resize(recipients.len(), gone.by(Some(&remote)));
        outcomes
    }

    fn all(&self, outcome: &Outcome) -> Vec<Outcome> {
        self.job
            .recipients
            .iter()
            .map(|_| outcome.clone())
            .collect()
    }
}

/// The `body_type` of 8BITMIME in the queue.
const EIGHT_BIT: u8 = 1;

/// What of the message's wishes the server could be told.
#[derive(Clone, Copy)]
struct Passed {
    dsn: bool,
    eight_bit_forced: bool,
}

/// What the protocol's outcome means for the queue.
fn judge(outcome: client::Outcome, passed: Passed) -> Outcome {
    let fate = match outcome {
        client::Outcome::Delivered(reply) => Fate::Relayed {
            reply: reply.to_string(),
            dsn_passed: passed.dsn,
            eight_bit_forced: passed.eight_bit_forced,
        },
        client::Outcome::Refused(stage, reply) if reply.is_permanent() && is_final(stage) => {
            Fate::Failed {
                status: reply.status().unwrap_or(StatusCode::permanent(0, 0)),
                reply: reply.to_string(),
            }
        }
        client::Outcome::Refused(_, reply) => Fate::Deferred {
            status: reply
                .status()
                .filter(|s| !s.is_permanent())
                .unwrap_or(StatusCode::transient(0, 0)),
            reply: reply.to_string(),
        },
        client::Outcome::Lost(stage, loss) => Fate::Deferred {
            status: StatusCode::transient(4, 2),
            reply: format!("{loss} at {stage:?}"),
        },
    };
    Outcome { fate, remote: None }
}

/// Whether the server has neither taken nor judged the message: the connection broke before the end of data, or
/// the server ended it (421), as it does with connections that waited too long.
fn is_undecided(outcome: &client::Outcome) -> bool {
    match outcome {
        client::Outcome::Delivered(_) => false,
        client::Outcome::Refused(stage, reply) => {
            reply.code() == 421 && !stage.may_have_been_taken()
        }
        client::Outcome::Lost(stage, _) => !stage.may_have_been_taken(),
    }
}

/// Whether a refusal at this stage is about the message or recipient, and not about the connection.
fn is_final(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::Mail | Stage::Rcpt | Stage::Data | Stage::Body | Stage::EndOfData
    )
}

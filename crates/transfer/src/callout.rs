//! On a server with the exchange role only: whether the mailbox server knows a recipient. It is asked during
//! RCPT, so that an unknown recipient is refused there, and never accepted and then bounced.
//!
//! Guesses from outside must not use up what the two servers have for each other: few questions are asked at once,
//! over connections that serve many, and a sub-address is known with its address.
//!
//! While the mailbox server cannot be asked, addresses that it knew before stay known, and mail for them waits
//! in the queue; for others the client is told to come again.

use std::{collections::HashMap, sync::Arc, time::Duration};

use message::address::{Address, Host};
use parking_lot::Mutex;
use protocol::smtp::{Detail, Refusal, Reply, client};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    Settings, TlsPolicy, Transfer,
    deliver::{self, Demand, Link},
    route::{self, Hop},
};

/// Questions asked at once, each over a connection of its own: far below what the mailbox server admits from one
/// address, most of which is for mail.
const QUESTIONS_AT_ONCE: usize = 4;
/// Questions over one connection: the mailbox server shows out who asks for too many unknown addresses.
const QUESTIONS_PER_CONNECTION: usize = 40;
/// What a question may take with its wait for a turn; RFC 5321, section 4.5.3.2.3, lets clients wait 5 minutes.
const QUESTION_TIME: Duration = Duration::from_secs(30);

/// What the mailbox server says of an address.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// It takes mail for it.
    Yes,
    /// It does not, and this is what to say.
    No(Refusal),
}

/// What it said before, and who may ask now.
pub(crate) struct Callouts {
    memory: Mutex<HashMap<Address, (Instant, Said)>>,
    turns: Semaphore,
}

impl Default for Callouts {
    fn default() -> Self {
        Self {
            memory: Mutex::default(),
            turns: Semaphore::new(QUESTIONS_AT_ONCE),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Yes,
    Unknown,
}

impl Callouts {
    fn recall(&self, address: &Address, said: Said, within: Duration) -> bool {
        self.memory
            .lock()
            .get(address)
            .is_some_and(|(at, before)| *before == said && at.elapsed() < within)
    }

    /// Remembers; a full memory first loses what is stale, then everything: it is only a convenience.
    fn remember(&self, address: &Address, said: Said, settings: &Settings) {
        let rules = settings.recipient_memory;
        let mut memory = self.memory.lock();
        if memory.len() >= rules.entries && !memory.contains_key(address) {
            memory.retain(|_, (at, before)| {
                at.elapsed()
                    < if *before == Said::Yes {
                        rules.stale
                    } else {
                        rules.unknown
                    }
            });
            if memory.len() >= rules.entries {
                memory.retain(|_, (_, before)| *before == Said::Yes);
            }
            if memory.len() >= rules.entries {
                memory.clear();
            }
        }
        // The latest word counts: an address that the mailbox server no longer knows is not known.
        memory.insert(address.clone(), (Instant::now(), said));
    }
}

impl Transfer {
    /// Whether the mailbox server takes mail for `address`, as far as it can be learnt now.
    pub(crate) async fn knows(&self, settings: &Arc<Settings>, address: &Address) -> Known {
        let key = address.canonical();
        // RFC 5321, section 4.5.1, and RFC 2142: always there, whoever can be asked.
        if matches!(key.local(), "postmaster" | "abuse") {
            return Known::Yes;
        }
        // `taro+anything` goes where `taro` goes, and needs no memory of its own. Where `taro` is unknown,
        // `taro+anything` may still be somebody's address, and is asked for itself.
        if let Some(base) = self.directory().without_tag(&key)
            && matches!(self.knows_exactly(settings, &base).await, Known::Yes)
        {
            return Known::Yes;
        }
        self.knows_exactly(settings, address).await
    }

    async fn knows_exactly(&self, settings: &Arc<Settings>, address: &Address) -> Known {
        let key = address.canonical();
        if let Some(known) = self.remembered(settings, &key) {
            return known;
        }
        let asking = tokio::time::timeout(QUESTION_TIME, self.ask_in_turn(settings, address, &key));
        let answer = asking
            .await
            .unwrap_or_else(|_| Err("it was not answered in time".to_owned()));
        match answer {
            Ok(None) => {
                self.callouts().remember(&key, Said::Yes, settings);
                Known::Yes
            }
            Ok(Some(reply)) if reply.is_permanent() => {
                self.callouts().remember(&key, Said::Unknown, settings);
                Known::No(unknown())
            }
            Ok(Some(reply)) => Known::No(passed_on(&reply)),
            Err(trouble) => {
                let stale = settings.recipient_memory.stale;
                if self.callouts().recall(&key, Said::Yes, stale) {
                    tracing::info!(%address, trouble, "the mailbox server cannot be asked; it knew the address before");
                    return Known::Yes;
                }
                tracing::warn!(%address, trouble, "the mailbox server cannot be asked");
                Known::No(Refusal::new::<451>(
                    Detail::CONNECTION_TIMEOUT,
                    "The recipient cannot be verified now, try again later",
                ))
            }
        }
    }

    fn remembered(&self, settings: &Settings, key: &Address) -> Option<Known> {
        let rules = settings.recipient_memory;
        if self.callouts().recall(key, Said::Yes, rules.fresh) {
            return Some(Known::Yes);
        }
        self.callouts()
            .recall(key, Said::Unknown, rules.unknown)
            .then(|| Known::No(unknown()))
    }

    /// Waits for a turn and asks: `None` is yes, a reply is the refusal of the address.
    async fn ask_in_turn(
        &self,
        settings: &Arc<Settings>,
        address: &Address,
        key: &Address,
    ) -> Result<Option<Reply>, String> {
        let turn = self.callouts().turns.acquire().await;
        let _turn = turn.map_err(|e| e.to_string())?;
        // Another session may have asked the same meanwhile.
        if let Some(Known::Yes) = self.remembered(settings, key) {
            return Ok(None);
        }
        let hop = Hop::to(address.domain(), true, settings);
        let Hop::Named(server) = &hop else {
            return Err("no mailbox server is set".to_owned());
        };
        // An idle connection may have been closed by the other side: then a fresh one is made.
        let idle = settings.outbound.idle;
        while let Some(link) = self
            .pool()
            .take(&questions_to(&hop), TlsPolicy::Verified, idle)
        {
            if let Ok(answer) = self.ask_over(link, settings, &hop, address).await {
                return Ok(answer);
            }
        }
        let host: &Host = &server.host;
        let addresses = route::addresses(host, server.port, self.resolver(), settings).await?;
        let mut trouble = format!("{host} has no address");
        let demand = Demand::Policy(TlsPolicy::Verified);
        for at in addresses.list {
            let asked = match deliver::open(self, settings, &hop, host, at, &demand).await {
                Ok(link) => self.ask_over(link, settings, &hop, address).await,
                Err(error) => Err(error.outcome().reply().to_owned()),
            };
            match asked {
                Ok(answer) => return Ok(answer),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    /// Asks over `link`, which is kept for the next question when it can take one.
    async fn ask_over(
        &self,
        mut link: Link,
        settings: &Arc<Settings>,
        hop: &Hop,
        address: &Address,
    ) -> Result<Option<Reply>, String> {
        let answer = match link.ask(address).await {
            Ok(None | Some(client::Outcome::Delivered(_))) => None,
            Ok(Some(client::Outcome::Refused(client::Stage::Rcpt, reply)))
                if reply.code() != 421 =>
            {
                Some(reply)
            }
            // A refusal of this server or connection says nothing of the recipient.
            Ok(Some(client::Outcome::Refused(_, reply))) => return Err(reply.to_string()),
            Ok(Some(client::Outcome::Lost(_, loss))) => return Err(loss.to_string()),
            Err(unsendable) => return Err(unsendable.to_string()),
        };
        if link.messages() < QUESTIONS_PER_CONNECTION {
            self.pool().put(questions_to(hop), link, settings);
        } else {
            link.leave(settings.outbound.waits.quit);
        }
        Ok(answer)
    }
}

/// Where the pool keeps connections for questions: apart from those for mail.
fn questions_to(hop: &Hop) -> String {
    format!("questions to {}", hop.destination())
}

fn unknown() -> Refusal {
    Refusal::new::<550>(Detail::BAD_MAILBOX, "No such mailbox here")
}

/// A temporary refusal of the mailbox server (a full mailbox, say) as the client is told it.
fn passed_on(reply: &Reply) -> Refusal {
    let detail = reply.status().and_then(|status| {
        Some(Detail::new(
            u8::try_from(status.subject).ok()?,
            u8::try_from(status.detail).ok()?,
        ))
    });
    Refusal::with_code(reply.code(), detail.unwrap_or(Detail::OTHER), &reply.text())
        .unwrap_or_else(Refusal::temporary)
}

//! On a server with the exchange role only: whether the mailbox server knows a recipient. It is asked during
//! RCPT, so that an unknown recipient is refused there, and never accepted and then bounced.
//!
//! While the mailbox server cannot be asked, addresses that it knew before stay known, and mail for them waits
//! in the queue; for others the client is told to come again.

use std::{collections::HashMap, sync::Arc};

use message::address::{Address, Host};
use parking_lot::Mutex;
use protocol::smtp::{Detail, Refusal, Reply, client};
use tokio::time::Instant;

use crate::{
    Settings, TlsPolicy, Transfer,
    deliver::Link,
    route::{self, Hop},
};

/// What the mailbox server says of an address.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// It takes mail for it.
    Yes,
    /// It does not, and this is what to say.
    No(Refusal),
}

/// What it said before.
#[derive(Default)]
pub(crate) struct Callouts {
    memory: Mutex<HashMap<Address, (Instant, Said)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Yes,
    Unknown,
}

impl Callouts {
    fn recall(&self, address: &Address, said: Said, within: std::time::Duration) -> bool {
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
        let rules = settings.recipient_memory;
        if self.callouts().recall(&key, Said::Yes, rules.fresh) {
            return Known::Yes;
        }
        if self.callouts().recall(&key, Said::Unknown, rules.unknown) {
            return Known::No(unknown());
        }
        match self.ask(settings, address).await {
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
                if self.callouts().recall(&key, Said::Yes, rules.stale) {
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

    /// Asks the mailbox server: `None` is yes, a reply is its refusal.
    async fn ask(
        &self,
        settings: &Arc<Settings>,
        address: &Address,
    ) -> Result<Option<Reply>, String> {
        let hop = Hop::to(address.domain(), true, settings);
        let Hop::Named(server) = &hop else {
            return Err("no mailbox server is set".to_owned());
        };
        let host: &Host = &server.host;
        let addresses = route::addresses(host, server.port, self.resolver(), settings).await?;
        let mut trouble = format!("{host} has no address");
        for at in addresses {
            match Link::open(self, settings, &hop, host, at, TlsPolicy::Verified).await {
                Ok(link) => match link.ask(address).await {
                    Ok(None | Some(client::Outcome::Delivered(_))) => return Ok(None),
                    Ok(Some(client::Outcome::Refused(client::Stage::Rcpt, reply))) => {
                        return Ok(Some(reply));
                    }
                    // A refusal of this server says nothing of the recipient.
                    Ok(Some(client::Outcome::Refused(_, reply))) => trouble = reply.to_string(),
                    Ok(Some(client::Outcome::Lost(_, loss))) => trouble = loss.to_string(),
                    Err(unsendable) => trouble = unsendable.to_string(),
                },
                Err(error) => trouble = error.outcome().reply().to_owned(),
            }
        }
        Err(trouble)
    }
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

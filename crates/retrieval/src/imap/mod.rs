//! IMAP4rev1 and IMAP4rev2 sessions (RFC 3501, RFC 9051).
//!
//! A connection is a [`guest::Guest`] until it has logged in, and a [`member::Member`] from then on: what only the one may do
//! does not exist for the other. A member may have a [`selected::Selected`] mailbox. Each command family has its file.

mod append;
mod change;
mod fetch;
mod flags;
mod guest;
mod line;
mod list;
mod mailboxes;
mod member;
mod order;
mod outcome;
mod reader;
mod rolls;
mod search;
mod select;
mod selected;
mod session;
mod summaries;
mod view;

use std::{net::SocketAddr, sync::Arc};

use wire::Shutdown;

use crate::{Shared, connection::Connection};

pub(crate) use rolls::Rolls;

/// Serves one IMAP connection until it ends.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    connection: Connection,
    peer: SocketAddr,
    shutdown: Shutdown,
) {
    let settings = shared.settings.load_full();
    let line = line::Line::new(connection, settings, peer, shutdown, shared.memory.clone());
    let guest = guest::Guest::new(Arc::clone(&shared), line);
    if let Some((line, login, counted)) = guest.run().await {
        member::Member::new(shared, line, login, counted)
            .run()
            .await;
    }
}

//! POP3 sessions (RFC 1939, 2449, 2595, 3206, 5034, 6856).
//!
//! The maildrop is INBOX as it was at the login; the session holds it alone, as RFC 1939 wants, while IMAP sessions and
//! deliveries go on. What the client deleted goes at QUIT, in one commit with its event, and with the same commit what it
//! retrieved is marked `\Seen`, so that it does not look new to an IMAP program. A session that ends without QUIT changes
//! nothing.
//!
//! Messages are sent as they are kept. RFC 6856 lets a server hold back or rewrite mail with raw UTF-8 headers for clients
//! that did not say UTF8; rewriting would break signatures, so it is not done.

mod authorization;
mod line;
mod maildrop;
mod transaction;

use std::{net::SocketAddr, sync::Arc};

use wire::Shutdown;

use crate::{Shared, connection::Connection};

/// Serves one POP3 connection until it ends.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    connection: Connection,
    peer: SocketAddr,
    shutdown: Shutdown,
) {
    let settings = shared.settings.load_full();
    let line = line::Line::new(connection, settings, peer, shutdown);
    let waiting = authorization::Waiting::new(Arc::clone(&shared), line);
    if let Some((line, entered)) = waiting.run().await {
        transaction::Session::new(shared, line, entered).run().await;
    }
}

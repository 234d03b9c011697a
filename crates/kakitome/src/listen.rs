//! Listeners: accept, admit, hand over to the room that speaks the protocol.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use wire::{Admission, Shutdown, ShutdownHandle, Stream};

use crate::{settings::Service, site::Site};

/// Connections the system may hold for us before we accept them.
const BACKLOG: i32 = 1024;

/// A bound listener.
pub(crate) struct Bound {
    pub(crate) service: Service,
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// Binds `service` on `address`. IPv6 sockets take IPv6 only, so that both families can be named.
pub(crate) fn bind(service: Service, address: IpAddr, port: u16) -> io::Result<Bound> {
    let address = SocketAddr::new(address, port);
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok(Bound {
        service,
        listener,
        address,
    })
}

/// Accepts connections until `shutdown`, then waits for the sessions to end.
pub(crate) async fn run(
    bound: Bound,
    site: Arc<Site>,
    admission: Admission,
    mut shutdown: Shutdown,
) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = bound.listener.accept() => accepted,
            Some(ended) = sessions.join_next(), if !sessions.is_empty() => {
                report(ended);
                continue;
            }
            () = shutdown.begun() => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                admit(
                    &mut sessions,
                    socket,
                    peer,
                    &bound,
                    &site,
                    &admission,
                    &shutdown,
                );
            }
            Err(error) => {
                // Out of descriptors, most likely: existing sessions go on, and new ones wait.
                tracing::error!(service = bound.service.name(), %error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(bound.listener);
    while let Some(ended) = sessions.join_next().await {
        report(ended);
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a session panicked; this is a fault of Kakitome, please report it");
    }
}

fn admit(
    sessions: &mut JoinSet<()>,
    socket: TcpStream,
    peer: SocketAddr,
    bound: &Bound,
    site: &Arc<Site>,
    admission: &Admission,
    shutdown: &Shutdown,
) {
    let service = bound.service;
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    if site.directory.is_blocked(peer.ip()) {
        ::metrics::counter!("kakitome_connections_blocked_total", "service" => service.name())
            .increment(1);
        tracing::info!(service = service.name(), %peer, "connection from a blocked address refused");
        sessions.spawn(refuse(socket, Site::blocked(service)));
        return;
    }
    match admission.admit(peer.ip()) {
        Ok(permit) => {
            let (site, shutdown) = (Arc::clone(site), shutdown.clone());
            ::metrics::counter!("kakitome_connections_total", "service" => service.name())
                .increment(1);
            sessions.spawn(async move {
                serve(&site, service, Stream::plain(socket), peer, shutdown).await;
                drop(permit);
            });
        }
        Err(reason) => {
            ::metrics::counter!("kakitome_connections_refused_total", "service" => service.name())
                .increment(1);
            tracing::warn!(service = service.name(), %peer, %reason, "connection refused");
            sessions.spawn(refuse(socket, site.busy(service)));
        }
    }
}

/// Serves one connection, and ends it politely when the server stops, or when its address is blocked.
async fn serve(
    site: &Site,
    service: Service,
    stream: Stream,
    peer: SocketAddr,
    mut shutdown: Shutdown,
) {
    let (own, end) = ShutdownHandle::new();
    let session = site.session(service, stream, peer, end);
    let mut session = std::pin::pin!(session);
    tokio::select! {
        () = &mut session => return,
        () = shutdown.begun() => {}
        () = blocked(site, peer.ip()) => {
            tracing::info!(service = service.name(), %peer, "the session ends: its address is blocked");
        }
    }
    own.begin();
    session.await;
}

/// Returns when `peer` is blocked.
async fn blocked(site: &Site, peer: IpAddr) {
    let mut changes = site.blocks_read.subscribe();
    while !site.directory.is_blocked(peer) {
        if changes.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Says in the protocol's own words that there is no room, and closes.
async fn refuse(mut socket: TcpStream, words: &'static [u8]) {
    let polite = async {
        socket.write_all(words).await?;
        socket.shutdown().await
    };
    if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(5), polite).await {
        tracing::debug!(%error, "a refused client was gone already");
    }
}

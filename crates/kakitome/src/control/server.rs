//! The server's side: see who calls, carry the command out, answer.

use std::{
    future::Future, io, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration,
};

use clap::Parser;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use wire::Shutdown;

use super::{REQUEST_LIMIT, Reply, Request, SHORT_REQUEST, short_path, socket_path};
use crate::{
    cli::{Cli, Verb},
    command::{self, Answer, Failure},
    files,
    site::Site,
};

/// Callers connected at once; more wait in the system's queue. Far more than the commands at once, so that callers
/// who say nothing do not keep the others out.
const CALLERS: usize = 256;
/// Commands carried out at once; more wait.
const CONCURRENT_COMMANDS: usize = 16;
/// Long requests in memory at once; more wait. With the short ones of all callers this is all the memory that
/// requests take: 2 × 64 MiB and 256 × 64 KiB.
const LONG_REQUESTS: usize = 2;
/// How long a caller may take to say what it wants.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How long a caller may leave an answer unread.
const REPLY_TIME: Duration = Duration::from_secs(60);

/// Makes the socket. A left-over of an earlier run is removed: the store's lock already says that no other
/// server runs here.
pub(crate) fn bind(directory: &Path) -> io::Result<UnixListener> {
    let path = socket_path(directory);
    if let Some(parent) = path.parent() {
        files::make_passable_directory(parent)?;
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (short, _open) = short_path(&path)?;
    let listener = UnixListener::bind(short)?;
    // Every user may connect, since each is known by the system and needs a role for what they ask;
    // the directory above decides who gets this far.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Answers commands until `shutdown`.
pub(crate) async fn serve(listener: UnixListener, site: Arc<Site>, mut shutdown: Shutdown) {
    let room = Arc::new(Room {
        site,
        commands: Semaphore::new(CONCURRENT_COMMANDS),
        long: Semaphore::new(LONG_REQUESTS),
    });
    let callers = Arc::new(Semaphore::new(CALLERS));
    loop {
        let Ok(caller) = Arc::clone(&callers).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.begun() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let room = Arc::clone(&room);
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &room).await {
                        tracing::warn!(%error, "a command's connection broke");
                    }
                    drop(caller);
                });
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept on the control socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// What callers share.
struct Room {
    site: Arc<Site>,
    /// Commands under way.
    commands: Semaphore,
    /// Long requests in memory.
    long: Semaphore,
}

async fn converse(stream: UnixStream, room: &Room) -> io::Result<()> {
    let user = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(read).take(SHORT_REQUEST);
    in_time(reader.read_until(b'\n', &mut line)).await?;
    if line.is_empty() {
        // Somebody only looked whether we answer.
        return Ok(());
    }
    let mut _long = None;
    if reader.limit() == 0 && !line.ends_with(b"\n") {
        // Only people of the site may take more memory, and of those only a few at once.
        if let Err(refused) = command::must_be_known(&room.site, user).await {
            return say(&mut write, &Reply::Error(refused.to_string())).await;
        }
        let permit = in_time(async { room.long.acquire().await.map_err(io::Error::other) });
        _long = Some(permit.await?);
        reader.set_limit(REQUEST_LIMIT.saturating_sub(SHORT_REQUEST));
        in_time(reader.read_until(b'\n', &mut line)).await?;
    }
    let _slot = room.commands.acquire().await.map_err(io::Error::other)?;
    let (answer, mut replies) = mpsc::channel(64);
    let site = Arc::clone(&room.site);
    let work = tokio::spawn(carry_out(line, user, site, Answer::new(answer)));
    while let Some(reply) = replies.recv().await {
        say(&mut write, &reply).await?;
    }
    work.await.map_err(io::Error::other)
}

/// Waits for a caller no longer than a request may take.
async fn in_time<T>(reading: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(REQUEST_TIME, reading)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn say(write: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut text = serde_json::to_vec(reply)?;
    text.push(b'\n');
    timeout(REPLY_TIME, write.write_all(&text))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Carries the command out and ends the answer with `Done` or `Error`.
async fn carry_out(line: Vec<u8>, user: u32, site: Arc<Site>, mut answer: Answer) {
    let last = match understand(&line) {
        Ok((verb, request)) => match command::run(&site, user, verb, &request, &mut answer).await {
            Ok(()) => Reply::Done,
            Err(Failure::Words(text)) => Reply::Usage(text),
            Err(error) => Reply::Error(error.to_string()),
        },
        Err(error) => Reply::Usage(error),
    };
    answer.end(last).await;
}

fn understand(line: &[u8]) -> Result<(crate::cli::SiteCommand, Request), String> {
    let request: Request =
        serde_json::from_slice(line).map_err(|e| format!("the request is not understood: {e}"))?;
    let words = std::iter::once("kakitome".to_owned()).chain(request.words.iter().cloned());
    let cli = Cli::try_parse_from(words).map_err(|e| e.to_string())?;
    match cli.verb {
        Verb::Site(command) => Ok((command, request)),
        Verb::Demo(_)
        | Verb::Init(_)
        | Verb::Serve { .. }
        | Verb::Check { .. }
        | Verb::Restore(_) => Err("this is not a command for a running server".to_owned()),
    }
}

//! Canaries: once a day a message with the text that scanners are tested with is sent to this server by itself, over a real
//! connection to its own listener, and must be caught (clause 5.2(3)). One that is put off on the way is sent again for a while. A site that
//! takes no mail from outside sends none: its exchange servers do.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp, ToSpan as _, tz::TimeZone};
use malware::{Concern, ScanResult, test_virus};
use message::address::{Address, Domain};
use screening::Screened;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};
use trail::{Actor, Event, Kind};
use transfer::Canary;
use wire::Shutdown;

use crate::{
    command::Failure,
    scanners,
    settings::{Daily, Role, Service, Settings},
    site::Site,
};

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(20);
/// For all of one: what scanners and name servers may take lies below.
const TIME: Duration = Duration::from_secs(600);
/// For how long one is sent again that was put off before the scanners saw it.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long after it was put off.
const PAUSE: Duration = Duration::from_secs(5);
/// One that is sent so much later than it was due is late, and told to be.
const LATE: SignedDuration = SignedDuration::from_mins(5);
/// How far back the trail is asked for the last one.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Octets of a reply's line.
const LONGEST_LINE: u64 = 2048;

/// How one fared.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    at: Timestamp,
    id: String,
    caught: Vec<String>,
    missed: Vec<String>,
    reply: Option<String>,
    reason: Option<String>,
    /// When it should have been sent, if the server was not there then.
    due: Option<Timestamp>,
}

impl Outcome {
    /// When it was sent.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// Whether every scanner caught it.
    pub(crate) fn is_caught(&self) -> bool {
        self.missed.is_empty() && !self.caught.is_empty()
    }

    /// Whether it came as far as the scanners: of one that did not, nothing can be told.
    pub(crate) fn is_told(&self) -> bool {
        !self.caught.is_empty() || !self.missed.is_empty()
    }

    /// What is to be told of one that was not caught.
    pub(crate) fn words(&self) -> String {
        if self.is_told() {
            return format!("the canary was not caught by {}", self.missed.join(", "));
        }
        let reason = self.reason.as_deref().unwrap_or("no scanner looked at it");
        format!(
            "whether a canary is caught could not be told, as it did not come as far as the scanners: {reason}"
        )
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "at": self.at,
            "id": self.id,
            "caught": self.caught,
            "missed": self.missed,
            "reply": self.reply,
            "reason": self.reason,
            "is_caught": self.is_caught(),
            "is_told": self.is_told(),
            "due": self.due,
        })
    }

    fn of(at: Timestamp, said: Result<String, String>, found: Option<(String, Screened)>) -> Self {
        let mut outcome = Self {
            at,
            id: String::new(),
            caught: Vec::new(),
            missed: Vec::new(),
            reply: None,
            reason: None,
            due: None,
        };
        match said {
            Ok(reply) => outcome.reply = Some(reply),
            Err(reason) => outcome.reason = Some(reason),
        }
        let Some((id, screened)) = found else {
            let reason = || "it was not screened".to_owned();
            outcome.reason.get_or_insert_with(reason);
            return outcome;
        };
        outcome.id = id;
        let said = screened.evidence.malware.unwrap_or_default();
        let mut put = |scanner: &str, has_caught: bool| match has_caught {
            true => outcome.caught.push(scanner.to_owned()),
            false => outcome.missed.push(scanner.to_owned()),
        };
        if let Some(scan) = said.clamd {
            put("clamd", scan.result == ScanResult::Found);
        }
        if let Some(inspection) = said.inspection {
            let facts = inspection.facts.unwrap_or_default();
            put("inspection", facts.concerns.contains(&Concern::TestVirus));
        }
        if let Some(rules) = said.yara {
            put("yara", rules.result == ScanResult::Found);
        }
        outcome
    }

    fn event(&self) -> Event {
        let mut event = Event::new(Kind::ScannerCanary, Actor::System)
            .subject(self.id.clone())
            .detail("caught", self.caught.clone())
            .detail("missed", self.missed.clone());
        if !self.is_caught() {
            event = event.outcome(trail::Outcome::Failure);
        }
        if let Some(reply) = &self.reply {
            event = event.detail("reply", reply.as_str());
        }
        if let Some(reason) = &self.reason {
            event = event.detail("reason", reason.as_str());
        }
        if let Some(due) = self.due {
            event = event.detail("due", due.to_string());
        }
        event
    }

    /// As an event told it.
    fn recorded(at: Timestamp, detail: &Value) -> Self {
        let list = |name: &str| {
            let list = detail.get(name).and_then(Value::as_array);
            let texts = list.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        };
        let text = |name: &str| detail.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            at,
            id: String::new(),
            caught: list("caught"),
            missed: list("missed"),
            reply: text("reply"),
            reason: text("reason"),
            due: text("due").and_then(|due| due.parse().ok()),
        }
    }
}

/// Sends them when they are due, until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let after = site.world.now().checked_sub(REMEMBERED);
    // One whose time came while the server was down is made up for.
    let mut last = site.started;
    match scanners::last(&site, Kind::ScannerCanary, after.unwrap_or(Timestamp::MIN)).await {
        Ok(Some((at, detail))) => {
            site.scanning.lock().canary = Some(Outcome::recorded(at, &detail));
            last = at;
        }
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "the last canary is not known"),
    }
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = site.world.now();
        if let Some(due) = due(&site, last, now) {
            last = now;
            let late = now.duration_since(due) > LATE;
            let sent = tokio::select! {
                () = shutdown.begun() => return,
                sent = send_at(&site, late.then_some(due)) => sent,
            };
            match sent {
                Ok(outcome) if outcome.is_caught() => {}
                Ok(outcome) => tracing::error!("{}", outcome.words()),
                Err(error) => tracing::error!(%error, "the canary's outcome is not recorded"),
            }
        }
    }
}

/// When its time of day came last, if that was since `last`.
fn due(site: &Site, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let settings = site.settings();
    let daily = settings.screening.malware.canary()?;
    if elsewhere(&settings).is_some() || !site.scanners().any() {
        return None;
    }
    has_come(daily, last, now, &settings.zone())
}

/// The last time of the day `daily` up to `now`, if it lies behind `last`.
fn has_come(daily: Daily, last: Timestamp, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let today = now.to_zoned(zone.clone()).date();
    let days = [Some(today), today.checked_sub(1.day()).ok()];
    let times = days.into_iter().flatten().filter_map(|day| {
        let at = day.to_datetime(daily.0).to_zoned(zone.clone()).ok()?;
        Some(at.timestamp())
    });
    let came = times.filter(|at| *at <= now).max()?;
    (last < came).then_some(came)
}

/// Why this site sends none, in words; `None`: it does.
pub(crate) fn elsewhere(settings: &Settings) -> Option<&'static str> {
    if !settings.has(Role::Exchange) {
        return Some(
            "this server has the mailbox role only: mail from outside is scanned by its exchange servers, which send canaries of their own; \
             what is submitted here is scanned here, and `status` tells if a scanner cannot be used",
        );
    }
    if settings.listen.port(Service::Smtp).is_none() {
        return Some("[listen] smtp is off: no mail from outside comes here, so no canary can");
    }
    None
}

/// Sends one, and records how it fared. While another is on its way it waits for that.
///
/// # Errors
/// When this site sends none, or how it fared cannot be recorded.
pub(crate) async fn send(site: &Site) -> Result<Outcome, Failure> {
    match elsewhere(&site.settings()) {
        Some(why) => Err(Failure::Refused(why.to_owned())),
        None => send_at(site, None).await,
    }
}

/// The same, of one that was due earlier.
async fn send_at(site: &Site, due: Option<Timestamp>) -> Result<Outcome, Failure> {
    let (at, said, found) = match recipient(site) {
        Ok(recipient) => {
            let canary = site.transfer.wait_for_canary(recipient.clone()).await;
            let at = site.world.now();
            let sending = while_put_off(PATIENCE, PAUSE, || attempt(site, &canary, &recipient));
            let said = timeout(TIME, sending).await;
            let said = said.unwrap_or_else(|_| Err("the server did not answer".to_owned()));
            let found = canary.screened();
            let found = found.map(|(id, screened)| (id.to_string(), screened));
            (at, said, found)
        }
        Err(reason) => (site.world.now(), Err(reason), None),
    };
    let outcome = Outcome {
        due,
        ..Outcome::of(at, said, found)
    };
    site.record(outcome.event()).await?;
    site.scanning.lock().canary = Some(outcome.clone());
    Ok(outcome)
}

/// Why a canary did not come to the end of its data.
#[derive(Debug)]
enum Obstacle {
    /// It may later.
    Now(String),
    /// It will not later either.
    Lasting(String),
}

impl From<std::io::Error> for Obstacle {
    fn from(error: std::io::Error) -> Self {
        Self::Now(error.to_string())
    }
}

/// Tries again, after `pause`, what is put off, as long as `patience` lasts; what was said at last, or what stood in the way.
async fn while_put_off<F>(
    patience: Duration,
    pause: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<String, String>
where
    F: Future<Output = Result<String, Obstacle>>,
{
    let (began, mut tries) = (Instant::now(), 0_u32);
    loop {
        tries = tries.saturating_add(1);
        let reason = match attempt().await {
            Ok(said) => return Ok(said),
            Err(Obstacle::Lasting(reason)) => return Err(reason),
            Err(Obstacle::Now(reason)) => reason,
        };
        let spent = began.elapsed();
        if spent.saturating_add(pause) > patience {
            let seconds = spent.as_secs();
            return Err(format!(
                "it was put off {tries} times in {seconds} seconds, at last with {reason}"
            ));
        }
        tokio::time::sleep(pause).await;
    }
}

/// Hands it over once. What is put off before it was screened may be tried again; a scanner that cannot tell has told enough.
async fn attempt(site: &Site, canary: &Canary, recipient: &Address) -> Result<String, Obstacle> {
    let said = converse(site, canary, recipient).await?;
    if said.starts_with('4') && canary.screened().is_none() {
        return Err(Obstacle::Now(format!("the end of its data: {said}")));
    }
    Ok(said)
}

/// An address of this site that nobody has and nobody could guess.
fn recipient(site: &Site) -> Result<Address, String> {
    let settings = site.settings();
    let own = settings.domains.first().map(|keys| keys.name.get_ref());
    let domain = own.and_then(|name| Domain::parse(name).ok());
    let domain = domain.ok_or("this site has no domain")?;
    let chance: [u8; 16] = site.world.bytes();
    let name: String = chance.iter().map(|octet| format!("{octet:02x}")).collect();
    Address::new(&format!("canary-{name}"), domain).map_err(|error| error.to_string())
}

/// Where the exchange listens.
fn listener(site: &Site) -> Result<SocketAddr, Obstacle> {
    let listeners = site.listeners();
    let own = listeners.iter();
    let mut own = own.filter(|(service, _)| *service == Service::Smtp);
    let none = || Obstacle::Lasting("SMTP is not listened for".to_owned());
    let (_, address) = own.next().ok_or_else(none)?;
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, address.port()))
}

/// A connection to the own listener, from a socket of which the server knows before it sees it.
async fn connection(site: &Site, canary: &Canary) -> Result<TcpStream, Obstacle> {
    let to = listener(site)?;
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // What listens there is an address of this machine.
    socket.bind(SocketAddr::new(to.ip(), 0))?;
    canary.comes_from(socket.local_addr()?);
    socket
        .connect(to)
        .await
        .map_err(|error| match error.kind() {
            // The server has begun to stop.
            std::io::ErrorKind::ConnectionRefused => {
                Obstacle::Lasting(format!("nothing listens at {to} any more"))
            }
            _ => error.into(),
        })
}

/// Hands it over; what the server says to its data.
async fn converse(site: &Site, canary: &Canary, recipient: &Address) -> Result<String, Obstacle> {
    let hostname = site.settings().server.hostname.get_ref().clone();
    let mut stream = BufReader::new(connection(site, canary).await?);
    let commands = [
        (None, '2'),
        (Some(format!("EHLO {hostname}")), '2'),
        (Some("MAIL FROM:<>".to_owned()), '2'),
        (Some(format!("RCPT TO:<{recipient}>")), '2'),
        (Some("DATA".to_owned()), '3'),
    ];
    for (command, expected) in commands {
        if let Some(command) = &command {
            let line = format!("{command}\r\n");
            stream.write_all(line.as_bytes()).await?;
        }
        let reply = reply(&mut stream).await?;
        if !reply.starts_with(expected) {
            let what = command.unwrap_or_else(|| "the greeting".to_owned());
            let reason = format!("{what}: {reply}");
            return Err(match reply.starts_with('4') {
                true => Obstacle::Now(reason),
                false => Obstacle::Lasting(reason),
            });
        }
    }
    let letter = letter(&hostname, recipient);
    stream.write_all(letter.as_bytes()).await?;
    let said = reply(&mut stream).await?;
    // How the session ends is no matter any more.
    drop(stream.write_all(b"QUIT\r\n").await);
    Ok(said)
}

/// The last line of a reply.
async fn reply(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    loop {
        let mut line = String::new();
        let mut bounded = stream.take(LONGEST_LINE);
        if bounded.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line.trim_end().to_owned());
        }
    }
}

/// The message, to its final dot.
fn letter(hostname: &str, recipient: &Address) -> String {
    let encoded = BASE64_STANDARD.encode(test_virus());
    format!(
        "From: <postmaster@{hostname}>\r\nTo: <{recipient}>\r\nSubject: canary\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"canary\"\r\n\r\n--canary\r\n\r\n\
         This is a test of the scanners, which this server sends to itself.\r\n--canary\r\n\
         Content-Type: application/octet-stream; name=\"canary.txt\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"canary.txt\"\r\n\r\n{encoded}\r\n--canary--\r\n.\r\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_is_due_once_a_day() {
        let daily = Daily(jiff::civil::time(5, 10, 0, 0));
        let tokyo = || TimeZone::fixed(jiff::tz::offset(9));
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (before, after) = (at("2026-11-26T20:09:00Z"), at("2026-11-26T20:10:20Z"));
        let came = |last, now: &str| has_come(daily, last, at(now), &tokyo());
        assert_eq!(
            came(before, "2026-11-26T20:10:20Z"),
            Some(at("2026-11-26T20:10:00Z"))
        );
        assert_eq!(came(after, "2026-11-27T20:09:00Z"), None);
        assert_eq!(
            came(after, "2026-11-27T20:10:00Z"),
            Some(at("2026-11-27T20:10:00Z"))
        );
        assert_eq!(came(before, "2026-11-26T20:09:00Z"), None);
        // Missed while the server was down, once for however many days, and before the time of the day that it comes back.
        assert_eq!(
            came(before, "2026-11-29T03:00:00Z"),
            Some(at("2026-11-28T20:10:00Z"))
        );
        assert_eq!(
            came(after, "2026-11-28T20:09:00Z"),
            Some(at("2026-11-27T20:10:00Z"))
        );
    }

    /// What is put off is tried again as long as there is patience, and what is not, is not.
    #[tokio::test(start_paused = true)]
    async fn one_that_is_put_off_is_sent_again_for_a_while() {
        let (patience, pause) = (Duration::from_secs(120), Duration::from_secs(5));
        let mut tries = 0;
        let said = while_put_off(patience, pause, || {
            tries += 1;
            let now = tries;
            async move {
                match now {
                    3 => Ok("554 5.7.1 found".to_owned()),
                    _ => Err(Obstacle::Now("the greeting: 421 4.3.2 busy".to_owned())),
                }
            }
        });
        assert_eq!(said.await.as_deref(), Ok("554 5.7.1 found"));
        let began = Instant::now();
        let put_off = || async { Err(Obstacle::Now("MAIL FROM:<>: 451 4.4.5 later".to_owned())) };
        let said = while_put_off(patience, pause, put_off).await.unwrap_err();
        assert!(said.contains("25 times in 120 seconds"), "{said}");
        assert!(said.contains("451 4.4.5 later"), "{said}");
        assert_eq!(began.elapsed(), patience);
        let mut tries = 0;
        let lasting = while_put_off(patience, pause, || {
            tries += 1;
            async { Err(Obstacle::Lasting("RCPT: 550 5.1.1 nobody".to_owned())) }
        });
        assert_eq!(lasting.await.unwrap_err(), "RCPT: 550 5.1.1 nobody");
        assert_eq!(tries, 1);
    }

    #[test]
    fn one_that_the_scanners_never_saw_is_not_called_missed() {
        let at = Timestamp::UNIX_EPOCH;
        let untold = Outcome::of(at, Err("451 4.4.5 later".to_owned()), None);
        assert!(!untold.is_caught() && !untold.is_told());
        let words = untold.words();
        assert!(words.contains("could not be told"), "{words}");
        assert!(words.contains("451 4.4.5 later"), "{words}");
    }

    #[test]
    fn a_site_that_takes_no_mail_from_outside_sends_none_and_says_why() {
        let said = |roles: &str, more: &str| {
            let text = format!(
                "[server]\nhostname = \"mail.example.org\"\nroles = [{roles}]\n[[domain]]\nname = \"example.org\"\n\
                 [mailbox]\nexchange_servers = [\"192.0.2.25/32\"]\n{more}"
            );
            elsewhere(&Settings::parse("kakitome.toml", &text).unwrap())
        };
        assert!(
            said("\"mailbox\"", "")
                .unwrap()
                .contains("exchange servers")
        );
        let both = "\"exchange\", \"mailbox\"";
        assert!(
            said(both, "[listen]\nsmtp = false\n")
                .unwrap()
                .contains("off")
        );
        assert_eq!(said(both, ""), None);
    }

    #[test]
    fn what_is_recorded_is_known_again() {
        let at = Timestamp::UNIX_EPOCH;
        let missed = Outcome::of(at, Err("connection refused".to_owned()), None);
        assert!(!missed.is_caught());
        let again = Outcome::recorded(at, &Value::Object(missed.event().detail));
        assert!(again.words().contains("connection refused"), "{again:?}");
    }
}

//! Sessions on the pages: who has proved itself, by the cookie's digest.

use std::{collections::HashMap, time::Duration};

use directory::{Login, command::passkey::Offer};
use parking_lot::Mutex;
use protocol::sasl::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use world::World;

/// Sessions at once; the one that was silent longest makes room.
const MOST_SESSIONS: usize = 10_000;
/// Sessions of one account at once.
const MOST_OF_ONE: usize = 20;

type Digest = [u8; 32];

/// The sessions of one process.
pub(crate) struct Sessions {
    world: World,
    open: Mutex<HashMap<Digest, Session>>,
}

/// A session.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) login: Login,
    /// Stands in every form of the session's pages, and must come back with it.
    pub(crate) form_key: String,
    /// The secret of a second factor that is being added.
    pub(crate) offered: Option<Secret>,
    /// What a passkey may be made on that is being added.
    passkey: Option<Offer>,
    begun: Instant,
    seen: Instant,
}

impl Session {
    /// Whether a form with this key came from the session's own pages.
    pub(crate) fn wrote(&self, form_key: &str) -> bool {
        self.form_key.as_bytes().ct_eq(form_key.as_bytes()).into()
    }
}

/// How long sessions last.
#[derive(Clone, Copy)]
pub(crate) struct Lifetime {
    pub(crate) silence: Duration,
    pub(crate) whole: Duration,
}

impl Sessions {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            open: Mutex::default(),
        }
    }

    /// Begins a session; returns what the browser's cookie is to hold.
    pub(crate) fn begin(&self, login: Login, lifetime: Lifetime) -> String {
        let (cookie, form_key) = (self.token(), self.token());
        let now = Instant::now();
        let mut open = self.open.lock();
        open.retain(|_, session| session.lives(now, lifetime));
        let account = login.account;
        if open.values().filter(|s| s.login.account == account).count() >= MOST_OF_ONE {
            forget_oldest(&mut open, |session| session.login.account == account);
        }
        if open.len() >= MOST_SESSIONS {
            forget_oldest(&mut open, |_| true);
        }
        let session = Session {
            login,
            form_key,
            offered: None,
            passkey: None,
            begun: now,
            seen: now,
        };
        open.insert(digest(&cookie), session);
        cookie
    }

    /// The session of a cookie, if it lives; it was seen now.
    pub(crate) fn find(&self, cookie: &str, lifetime: Lifetime) -> Option<Session> {
        let key = digest(cookie);
        let now = Instant::now();
        let mut open = self.open.lock();
        let session = open.get_mut(&key)?;
        if !session.lives(now, lifetime) {
            open.remove(&key);
            return None;
        }
        session.seen = now;
        Some(session.clone())
    }

    /// Keeps what a second factor can be made on: the secret of a device for codes, and what a passkey answers.
    pub(crate) fn offer(&self, cookie: &str, secret: Secret, passkey: Offer) {
        if let Some(session) = self.open.lock().get_mut(&digest(cookie)) {
            session.offered = Some(secret);
            session.passkey = Some(passkey);
        }
    }

    /// What a passkey can be made on, which the session has no more then.
    pub(crate) fn take_passkey(&self, cookie: &str) -> Option<Offer> {
        let mut open = self.open.lock();
        open.get_mut(&digest(cookie))?.passkey.take()
    }

    /// A cookie for one who has no session yet.
    pub(crate) fn guest(&self) -> String {
        self.token()
    }

    /// Goes on with a session whose account counts as proved anew by what was done in it.
    pub(crate) fn renew(&self, cookie: &str, generation: i64) {
        if let Some(session) = self.open.lock().get_mut(&digest(cookie)) {
            session.login.generation = generation;
            session.offered = None;
            session.passkey = None;
        }
    }

    /// Ends a session.
    pub(crate) fn end(&self, cookie: &str) {
        self.open.lock().remove(&digest(cookie));
    }

    fn token(&self) -> String {
        let bytes: [u8; 32] = self.world.bytes();
        data_encoding::BASE64URL_NOPAD.encode(&bytes)
    }
}

impl Session {
    fn lives(&self, now: Instant, lifetime: Lifetime) -> bool {
        now.duration_since(self.seen) < lifetime.silence
            && now.duration_since(self.begun) < lifetime.whole
    }
}

fn forget_oldest(open: &mut HashMap<Digest, Session>, among: impl Fn(&Session) -> bool) {
    let oldest = open
        .iter()
        .filter(|(_, session)| among(session))
        .min_by_key(|(_, session)| session.seen)
        .map(|(key, _)| *key);
    if let Some(key) = oldest {
        open.remove(&key);
    }
}

/// What is kept of a cookie: whoever reads the memory cannot use it.
fn digest(cookie: &str) -> Digest {
    Sha256::digest(cookie.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use message::address::Address;
    use store::AccountId;

    use super::*;

    const LIFE: Lifetime = Lifetime {
        silence: Duration::from_secs(900),
        whole: Duration::from_secs(3000),
    };

    fn login(account: i64) -> Login {
        Login {
            account: AccountId(account),
            identifier: "sato@example.jp".to_owned(),
            address: Address::parse("sato@example.jp").unwrap(),
            generation: 1,
            app_password: None,
            person: None,
            reads_on: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_with_silence_and_with_time() {
        let sessions = Sessions::new(&World::system());
        let cookie = sessions.begin(login(1), LIFE);
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(890)).await;
            assert!(sessions.find(&cookie, LIFE).is_some());
        }
        tokio::time::advance(Duration::from_secs(400)).await;
        assert!(
            sessions.find(&cookie, LIFE).is_none(),
            "it lasted long enough"
        );
        let cookie = sessions.begin(login(1), LIFE);
        tokio::time::advance(Duration::from_secs(900)).await;
        assert!(sessions.find(&cookie, LIFE).is_none(), "it was silent");
        assert!(sessions.find("", LIFE).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_account_cannot_crowd_out_the_others() {
        let sessions = Sessions::new(&World::system());
        let other = sessions.begin(login(2), LIFE);
        let first = sessions.begin(login(1), LIFE);
        for _ in 0..MOST_OF_ONE {
            tokio::time::advance(Duration::from_secs(1)).await;
            sessions.begin(login(1), LIFE);
        }
        assert!(sessions.find(&first, LIFE).is_none());
        assert!(sessions.find(&other, LIFE).is_some());
        sessions.end(&other);
        assert!(sessions.find(&other, LIFE).is_none());
    }
}

//! The driver's answers. Each is made by the session for one event, can be used once, and is void when
//! the session has moved on.

use super::{Session, session::Given};
use crate::{
    sasl::{Nonce, ScramOffer},
    smtp::{Refusal, Reply},
};

/// Which question an answer belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ticket(pub(super) u64);

macro_rules! answer {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[must_use = "without an answer the client is told 451"]
        #[derive(Debug)]
        pub struct $name(pub(super) Ticket);

        impl $name {
            /// Refuses with this reply.
            pub fn refuse(self, session: &mut Session, refusal: Refusal) {
                session.answer(&self.0, Given::Refuse(refusal));
            }
        }
    };
}

answer!(/** To [`super::Event::StartTls`]. */ StartTlsAnswer);
answer!(/** To [`super::Event::Auth`]. */ AuthAnswer);
answer!(/** To [`super::Event::Password`]. */ PasswordAnswer);
answer!(/** To [`super::Event::Credentials`]. */ CredentialsAnswer);
answer!(/** To [`super::Event::Proved`]. */ ProvedAnswer);
answer!(/** To [`super::Event::Mail`]. */ MailAnswer);
answer!(/** To [`super::Event::Rcpt`]. */ RcptAnswer);
answer!(/** To [`super::Event::Data`]. */ DataAnswer);
answer!(/** To [`super::Event::EndOfData`]. */ EndAnswer);

impl StartTlsAnswer {
    /// Goes on to [`super::Event::Handshake`].
    pub fn accept(self, session: &mut Session) {
        session.answer(&self.0, Given::Accept);
    }
}

impl AuthAnswer {
    /// Begins the exchange with a fresh nonce.
    pub fn proceed(self, session: &mut Session, nonce: Nonce) {
        session.answer(&self.0, Given::Nonce(nonce));
    }
}

impl PasswordAnswer {
    /// The password is right: 235.
    pub fn accept(self, session: &mut Session) {
        session.answer(&self.0, Given::Accept);
    }
}

impl CredentialsAnswer {
    /// Goes on with these credentials, or with a decoy's.
    pub fn give(self, session: &mut Session, offer: impl Into<ScramOffer>) {
        session.answer(&self.0, Given::Credentials(offer.into()));
    }
}

impl ProvedAnswer {
    /// Lets the identity in: the client is told so, and 235 once it has answered.
    pub fn accept(self, session: &mut Session) {
        session.answer(&self.0, Given::Accept);
    }
}

impl MailAnswer {
    /// Accepts the sender: 250 2.1.0.
    pub fn accept(self, session: &mut Session) {
        session.answer(&self.0, Given::Accept);
    }
}

impl RcptAnswer {
    /// Accepts the recipient: 250 2.1.5. It becomes part of the transaction.
    pub fn accept(self, session: &mut Session) {
        session.answer(&self.0, Given::Accept);
    }
}

impl DataAnswer {
    /// Lets the content come.
    pub fn accept(self, session: &mut Session) {
        session.answer(&self.0, Given::Accept);
    }
}

impl EndAnswer {
    /// The message is safe: 250 2.0.0 with this text (its queue id, say).
    pub fn accept(self, session: &mut Session, text: &str) {
        let reply = Reply::new::<250>(crate::smtp::Detail::OTHER, text);
        session.answer(&self.0, Given::AcceptWith(reply));
    }
}

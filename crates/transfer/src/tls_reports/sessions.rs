//! How sessions with a domain's servers came out, in the words of RFC 8460, section 4.3.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use message::{
    address::{Domain, Host},
    tls_report::{Failure, Policy, PolicyKind},
};
use rustls::CertificateError;
use store::tls_report::Session;

use crate::{
    dane::Association,
    sts::{self, Mode},
};

/// Sessions that one attempt notes; an attempt makes about as many connections as a domain has hosts.
const MOST: usize = 200;

/// How TLS failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// In the standard's word.
    pub(crate) failure: Failure,
    /// More about it, where the word says little.
    pub(crate) reason: String,
}

impl Trouble {
    /// What needs no more words.
    pub(crate) fn new(failure: Failure) -> Self {
        Self {
            failure,
            reason: String::new(),
        }
    }

    /// What the standard has no word for.
    pub(crate) fn other(reason: String) -> Self {
        Self {
            failure: Failure::ValidationFailure,
            reason,
        }
    }

    /// How a handshake failed.
    pub(crate) fn of(error: &io::Error) -> Self {
        let inner = error.get_ref();
        match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => Self::of_tls(error),
            None => Self::other(error.to_string()),
        }
    }

    /// The same.
    pub(crate) fn of_tls(error: &rustls::Error) -> Self {
        match certificate(error) {
            Some(failure) => Self::new(failure),
            None => Self::other(error.to_string()),
        }
    }
}

/// What is wrong with a certificate, if that is it.
fn certificate(error: &rustls::Error) -> Option<Failure> {
    let rustls::Error::InvalidCertificate(error) = error else {
        return None;
    };
    match error {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Some(Failure::CertificateExpired),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Some(Failure::CertificateHostMismatch)
        }
        CertificateError::UnknownIssuer => Some(Failure::CertificateNotTrusted),
        _ => None,
    }
}

/// The policy that a session with one host is held to.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    kind: PolicyKind,
    strings: Vec<String>,
    mx: Vec<String>,
    /// What is wrong whatever becomes of the session.
    trouble: Option<Trouble>,
}

impl Standing {
    /// The domain has none.
    pub(crate) fn none() -> Self {
        Self {
            kind: PolicyKind::NotFound,
            strings: Vec::new(),
            mx: Vec::new(),
            trouble: None,
        }
    }

    /// DANE. `None`: it has records, and none that can be used.
    pub(crate) fn dane(association: Option<&Association>) -> Self {
        let trouble = association
            .is_none()
            .then(|| Trouble::new(Failure::TlsaInvalid));
        Self {
            kind: PolicyKind::Tlsa,
            strings: association.map(Association::texts).unwrap_or_default(),
            trouble,
            ..Self::none()
        }
    }

    /// Its TLSA records could not be had.
    pub(crate) fn unproven(why: String) -> Self {
        Self {
            trouble: Some(Trouble {
                failure: Failure::DnssecInvalid,
                reason: why,
            }),
            ..Self::dane(None)
        }
    }

    /// MTA-STS, for `host`.
    pub(crate) fn sts(policy: &sts::Policy, host: &Host) -> Self {
        if policy.mode == Mode::None {
            return Self::none();
        }
        let named = matches!(host, Host::Domain(name) if policy.names(name));
        let unnamed = || Trouble::other("the policy does not name the host".to_owned());
        Self {
            kind: PolicyKind::Sts,
            strings: policy.lines(),
            mx: policy.mx.clone(),
            trouble: (!named).then(unnamed),
        }
    }

    /// MTA-STS, where the policy could not be had.
    pub(crate) fn without_policy(trouble: Trouble) -> Self {
        Self {
            kind: PolicyKind::Sts,
            trouble: Some(trouble),
            ..Self::none()
        }
    }
}

/// What one attempt notes.
#[derive(Debug)]
pub(crate) struct Ledger {
    domain: Domain,
    source: Option<IpAddr>,
    sessions: Vec<Session>,
}

impl Ledger {
    /// For mail to `domain`, from `source` if that is set.
    pub(crate) fn new(domain: &Domain, source: Option<IpAddr>) -> Self {
        Self {
            domain: domain.clone(),
            source,
            sessions: Vec::new(),
        }
    }

    /// Notes a session with `host`; no address: it did not come to a connection. What is wrong with the policy counts before what
    /// became of the session.
    pub(crate) fn note(
        &mut self,
        standing: &Standing,
        host: &Host,
        address: Option<SocketAddr>,
        came_to: Option<Trouble>,
    ) {
        if self.sessions.len() >= MOST {
            return;
        }
        let trouble = standing.trouble.clone().or(came_to);
        let peer = address.map(|address| address.ip().to_canonical());
        let alike = |source: &IpAddr| peer.is_some_and(|peer| peer.is_ipv4() == source.is_ipv4());
        self.sessions.push(Session {
            policy: Policy {
                kind: standing.kind,
                strings: standing.strings.clone(),
                domain: self.domain.to_string(),
                mx: standing.mx.clone(),
            },
            failure: trouble.as_ref().map(|trouble| trouble.failure),
            mx: host.to_string(),
            peer,
            source: self.source.filter(alike),
            reason: trouble.map(|trouble| trouble.reason).unwrap_or_default(),
        });
    }

    /// All that was noted.
    pub(crate) fn into_sessions(self) -> Vec<Session> {
        self.sessions
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::time::Duration;

    use super::*;

    fn host() -> Host {
        Host::Domain(Domain::parse("mx.x.example").unwrap())
    }

    #[test]
    fn a_certificate_s_trouble_has_the_standard_s_word() {
        for (error, failure) in [
            (CertificateError::Expired, Failure::CertificateExpired),
            (
                CertificateError::NotValidForName,
                Failure::CertificateHostMismatch,
            ),
            (
                CertificateError::UnknownIssuer,
                Failure::CertificateNotTrusted,
            ),
            (CertificateError::BadSignature, Failure::ValidationFailure),
        ] {
            let error = io::Error::other(rustls::Error::from(error));
            assert_eq!(Trouble::of(&error).failure, failure);
        }
        let lost = Trouble::of(&io::ErrorKind::UnexpectedEof.into());
        assert_eq!(lost.failure, Failure::ValidationFailure);
        assert!(!lost.reason.is_empty());
    }

    #[test]
    fn what_is_wrong_with_the_policy_counts_first() {
        let domain = Domain::parse("x.example").unwrap();
        let mut ledger = Ledger::new(&domain, Some("192.0.2.9".parse().unwrap()));
        let at: SocketAddr = "192.0.2.1:25".parse().unwrap();
        let policy = sts::Policy {
            mode: Mode::Enforce,
            mx: vec!["other.x.example".to_owned()],
            max_age: Duration::from_secs(60),
        };
        ledger.note(&Standing::none(), &host(), Some(at), None);
        ledger.note(&Standing::sts(&policy, &host()), &host(), None, None);
        let expired = Trouble::new(Failure::CertificateExpired);
        ledger.note(&Standing::dane(None), &host(), Some(at), Some(expired));
        let sessions = ledger.into_sessions();
        assert_eq!(sessions[0].failure, None);
        assert_eq!(sessions[0].source, Some("192.0.2.9".parse().unwrap()));
        assert_eq!(sessions[1].failure, Some(Failure::ValidationFailure));
        assert_eq!(sessions[1].policy.strings[0], "version: STSv1");
        assert_eq!((sessions[1].peer, sessions[1].source), (None, None));
        assert_eq!(sessions[2].failure, Some(Failure::TlsaInvalid));
    }

    #[test]
    fn one_attempt_notes_no_more_than_its_bound() {
        let domain = Domain::parse("x.example").unwrap();
        let mut ledger = Ledger::new(&domain, None);
        for _ in 0..=MOST {
            ledger.note(&Standing::none(), &host(), None, None);
        }
        assert_eq!(ledger.into_sessions().len(), MOST);
    }
}

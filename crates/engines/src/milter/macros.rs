//! The macros that a milter is told before each step (Sendmail's `confMILTER_MACROS_…`): those that it asked for, else the usual.

use super::codec::{Agreement, joined, packet};
use crate::Envelope;

/// A step that macros are told before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Connect,
    Helo,
    Mail,
    Rcpt,
    Data,
    EndOfHeader,
    End,
}

impl Stage {
    /// The command that they belong to, the stage's number when a milter asks (`SMFIM_…`), and what is told unless it asks.
    fn facts(self) -> (u8, u32, &'static str) {
        match self {
            Self::Connect => (
                b'C',
                0,
                "j _ v {daemon_name} {client_addr} {client_name} {client_port} {client_ptr}",
            ),
            Self::Helo => (b'H', 1, "{tls_version} {cipher}"),
            Self::Mail => (
                b'M',
                2,
                "i {auth_type} {auth_authen} {mail_addr} {mail_host} {mail_mailer}",
            ),
            Self::Rcpt => (b'R', 3, "{rcpt_addr} {rcpt_host} {rcpt_mailer}"),
            Self::Data => (b'T', 4, "i"),
            Self::EndOfHeader => (b'N', 6, "i"),
            Self::End => (b'E', 5, "i"),
        }
    }
}

/// The packet with the macros of a step. What has no value is left out, as Sendmail does.
pub(super) fn told(
    stage: Stage,
    agreement: &Agreement,
    envelope: &Envelope,
    recipient: Option<&str>,
) -> Vec<u8> {
    let (command, number, usual) = stage.facts();
    let asked = agreement.macros.iter().find(|(at, _)| *at == number);
    let names = asked.map_or(usual, |(_, names)| names.as_str());
    let mut texts = Vec::new();
    for name in names.split([' ', ',']).filter(|name| !name.is_empty()) {
        if let Some(value) = value(name, envelope, recipient) {
            texts.push(name.to_owned());
            texts.push(value);
        }
    }
    let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    packet(b'D', &[&[command], &joined(&texts)])
}

fn value(name: &str, envelope: &Envelope, recipient: Option<&str>) -> Option<String> {
    let tls = envelope.tls.as_ref();
    let bare = name.trim_start_matches('{').trim_end_matches('}');
    let host = |address: &str| address.rsplit_once('@').map(|(_, host)| host.to_owned());
    let peer_name = || {
        let name = envelope.peer_name.clone();
        name.unwrap_or_else(|| format!("[{}]", envelope.peer.ip()))
    };
    match bare {
        "j" => Some(envelope.hostname.clone()),
        "i" => Some(envelope.id.clone()),
        "v" => Some("Kakitome".to_owned()),
        "_" => Some(format!("{} [{}]", peer_name(), envelope.peer.ip())),
        "s" => (!envelope.hello.is_empty()).then(|| envelope.hello.clone()),
        "f" => Some(envelope.sender.clone()),
        "daemon_name" => Some(envelope.listener.to_owned()),
        "client_addr" => Some(envelope.peer.ip().to_string()),
        "client_port" => Some(envelope.peer.port().to_string()),
        "client_name" | "client_ptr" => {
            let name = envelope.peer_name.clone();
            Some(name.unwrap_or_else(|| "unknown".to_owned()))
        }
        "client_resolve" => Some(
            if envelope.peer_name.is_some() {
                "OK"
            } else {
                "FAIL"
            }
            .to_owned(),
        ),
        "tls_version" => tls.map(|tls| tls.version.clone()),
        "cipher" => tls.map(|tls| tls.cipher.clone()),
        "auth_authen" => envelope.login.clone(),
        "auth_type" => (!envelope.mechanism.is_empty() && envelope.login.is_some())
            .then(|| envelope.mechanism.clone()),
        "mail_addr" => Some(envelope.sender.clone()),
        "mail_host" => host(&envelope.sender),
        "mail_mailer" | "rcpt_mailer" => Some("esmtp".to_owned()),
        "nrcpts" => Some(envelope.recipients.len().to_string()),
        "rcpt_addr" => recipient.map(str::to_owned),
        "rcpt_host" => recipient.and_then(host),
        _ => None,
    }
}

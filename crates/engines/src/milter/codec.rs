//! The packets of the milter protocol, version 6 (libmilter's `mfdef.h`): four octets of length, one of command, and data.

use super::May;

/// Octets of one packet from a milter. libmilter sends chunks of a body of 65,535 octets, and fields that are no longer.
pub(super) const LONGEST_PACKET: usize = 256 << 10;
/// Octets of a body in one packet to a milter (`MILTER_CHUNK_SIZE`).
pub(super) const CHUNK: usize = 65_535;
/// The version that is spoken.
pub(super) const VERSION: u32 = 6;
/// The oldest that is answered to: the one before knows no `SMFIF_CHGHDRS`.
const OLDEST_VERSION: u32 = 2;
/// Names of macros that a milter may ask for at one stage, in octets.
const LONGEST_MACROS: usize = 4096;

/// What a milter may do (`SMFIF_…`).
mod action {
    pub(super) const ADD_FIELDS: u32 = 0x01;
    pub(super) const CHANGE_BODY: u32 = 0x02;
    pub(super) const CHANGE_FIELDS: u32 = 0x10;
    pub(super) const QUARANTINE: u32 = 0x20;
    pub(super) const SET_MACROS: u32 = 0x100;
}

/// Which steps a milter does without, or does not answer (`SMFIP_…`).
pub(super) mod step {
    pub(crate) const NO_CONNECT: u32 = 0x01;
    pub(crate) const NO_HELO: u32 = 0x02;
    pub(crate) const NO_MAIL: u32 = 0x04;
    pub(crate) const NO_RCPT: u32 = 0x08;
    pub(crate) const NO_BODY: u32 = 0x10;
    pub(crate) const NO_HEADER: u32 = 0x20;
    pub(crate) const NO_EOH: u32 = 0x40;
    pub(crate) const MUTE_HEADER: u32 = 0x80;
    pub(crate) const NO_UNKNOWN: u32 = 0x100;
    pub(crate) const NO_DATA: u32 = 0x200;
    pub(crate) const SKIP: u32 = 0x400;
    pub(crate) const MUTE_CONNECT: u32 = 0x1000;
    pub(crate) const MUTE_HELO: u32 = 0x2000;
    pub(crate) const MUTE_MAIL: u32 = 0x4000;
    pub(crate) const MUTE_RCPT: u32 = 0x8000;
    pub(crate) const MUTE_DATA: u32 = 0x1_0000;
    pub(crate) const MUTE_EOH: u32 = 0x4_0000;
    pub(crate) const MUTE_BODY: u32 = 0x8_0000;
    pub(crate) const LEADING_SPACE: u32 = 0x10_0000;
    pub(super) const MUTE_UNKNOWN: u32 = 0x2_0000;
    /// All that this side can do without. `SMFIP_RCPT_REJ` is not among it: refused recipients are not told of.
    pub(super) const OFFERED: u32 = NO_CONNECT
        | NO_HELO
        | NO_MAIL
        | NO_RCPT
        | NO_BODY
        | NO_HEADER
        | NO_EOH
        | MUTE_HEADER
        | NO_UNKNOWN
        | NO_DATA
        | SKIP
        | MUTE_CONNECT
        | MUTE_HELO
        | MUTE_MAIL
        | MUTE_RCPT
        | MUTE_DATA
        | MUTE_UNKNOWN
        | MUTE_EOH
        | MUTE_BODY
        | LEADING_SPACE;
}

/// What a milter says (`SMFIR_…`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer to the offer: version, actions, steps, and the names of the macros that it wants at which stage.
    Agreed {
        /// The version that it speaks.
        version: u32,
        /// What it may do.
        actions: u32,
        /// Which steps it does without.
        steps: u32,
        /// Stage and names, separated by spaces.
        macros: Vec<(u32, String)>,
    },
    /// Go on.
    Continue,
    /// Nothing more of this message needs to be shown: it may pass.
    Accept,
    /// Refuse it for good.
    Reject,
    /// Refuse it for now.
    TempFail,
    /// Take it and throw it away.
    Discard,
    /// Refuse it with these words; `true`: for good.
    Words(String, bool),
    /// Nothing more of this step is needed.
    Skip,
    /// It is still at work.
    Progress,
    /// Set the message apart, for this reason.
    Quarantine(String),
    /// Add a field behind all others.
    AddField(Vec<u8>, Vec<u8>),
    /// Insert a field before the one at this place.
    InsertField(u32, Vec<u8>, Vec<u8>),
    /// Change the so-manieth field of this name; an empty value removes it.
    ChangeField(u32, Vec<u8>, Vec<u8>),
    /// A piece of the new body.
    Body(Vec<u8>),
    /// A change of the envelope, which is not offered.
    Envelope(&'static str),
    /// It goes away.
    Shutdown,
}

/// Why a packet is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Its length is.
    #[error("a packet of {0} octets")]
    Length(u32),
    /// Its command is.
    #[error("a reply {0:?} that the protocol does not know")]
    Command(char),
    /// What it holds is.
    #[error("a {0} that is not whole or not well-formed")]
    Content(&'static str),
}

/// Packets out of a stream of octets.
#[derive(Debug, Default)]
pub struct Packets {
    buffer: Vec<u8>,
}

impl Packets {
    /// Takes octets up.
    pub fn push(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    /// Whether something is left that is no whole packet yet, or one that nobody has taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next packet; `None`: more octets are needed.
    ///
    /// # Errors
    /// When it is none. Nothing behind it can be understood then.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, PacketError> {
        let Some((length, rest)) = self.buffer.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length);
        let octets = usize::try_from(length).unwrap_or(usize::MAX);
        if octets == 0 || octets > LONGEST_PACKET {
            return Err(PacketError::Length(length));
        }
        let Some(packet) = rest.get(..octets) else {
            return Ok(None);
        };
        let reply = Reply::parse(packet);
        self.buffer.drain(..octets.saturating_add(4));
        reply.map(Some)
    }
}

impl Reply {
    fn parse(packet: &[u8]) -> Result<Self, PacketError> {
        let Some((command, data)) = packet.split_first() else {
            return Err(PacketError::Length(0));
        };
        Ok(match command {
            b'O' => return agreed(data).ok_or(PacketError::Content("agreement")),
            b'c' => Self::Continue,
            b'a' => Self::Accept,
            b'r' => Self::Reject,
            b't' => Self::TempFail,
            b'd' => Self::Discard,
            b's' => Self::Skip,
            b'p' => Self::Progress,
            b'4' | b'f' => Self::Shutdown,
            b'y' => return words(data).ok_or(PacketError::Content("reply code")),
            b'q' => {
                let reason = strings::<1>(data).ok_or(PacketError::Content("quarantine"))?;
                Self::Quarantine(String::from_utf8_lossy(&reason.concat()).into_owned())
            }
            b'h' => {
                let [name, value] = strings(data).ok_or(PacketError::Content("new field"))?;
                Self::AddField(name, value)
            }
            b'i' => {
                let (place, [name, value]) =
                    numbered(data).ok_or(PacketError::Content("new field"))?;
                Self::InsertField(place, name, value)
            }
            b'm' => {
                let (place, [name, value]) =
                    numbered(data).ok_or(PacketError::Content("changed field"))?;
                Self::ChangeField(place, name, value)
            }
            b'b' => Self::Body(data.to_vec()),
            b'+' | b'2' => Self::Envelope("add a recipient"),
            b'-' => Self::Envelope("remove a recipient"),
            b'e' => Self::Envelope("change the sender"),
            other => return Err(PacketError::Command(char::from(*other))),
        })
    }
}

/// So many strings, each ended by an octet of zero, and nothing else.
fn strings<const N: usize>(data: &[u8]) -> Option<[Vec<u8>; N]> {
    let ended = data.strip_suffix(&[0])?;
    let parts: Vec<Vec<u8>> = ended
        .split(|octet| *octet == 0)
        .map(<[u8]>::to_vec)
        .collect();
    parts.try_into().ok()
}

fn numbered(data: &[u8]) -> Option<(u32, [Vec<u8>; 2])> {
    let (number, rest) = data.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), strings(rest)?))
}

fn agreed(data: &[u8]) -> Option<Reply> {
    let mut words = [0_u32; 3];
    let mut rest = data;
    for word in &mut words {
        let (number, behind) = rest.split_first_chunk::<4>()?;
        *word = u32::from_be_bytes(*number);
        rest = behind;
    }
    let mut macros = Vec::new();
    while !rest.is_empty() {
        let (stage, behind) = rest.split_first_chunk::<4>()?;
        let end = behind.iter().position(|octet| *octet == 0)?;
        let (names, behind) = behind.split_at_checked(end)?;
        if names.len() > LONGEST_MACROS || macros.len() > 16 {
            return None;
        }
        let names = String::from_utf8_lossy(names).into_owned();
        macros.push((u32::from_be_bytes(*stage), names));
        rest = behind.get(1..)?;
    }
    let [version, actions, steps] = words;
    Some(Reply::Agreed {
        version,
        actions,
        steps,
        macros,
    })
}

/// `550 5.7.1 text`: a code that refuses, and printable words. A percent sign is doubled (`smfi_setreply`); lines are joined.
fn words(data: &[u8]) -> Option<Reply> {
    let [text] = strings::<1>(data)?;
    let text = String::from_utf8(text).ok()?;
    let mut joined = String::new();
    let mut first = None;
    for line in text.split(['\r', '\n']).filter(|line| !line.is_empty()) {
        let (code, rest) = line.split_at_checked(3)?;
        let is_code = code.bytes().all(|octet| octet.is_ascii_digit());
        if !is_code || !(rest.is_empty() || rest.starts_with([' ', '-'])) {
            return None;
        }
        if *first.get_or_insert(code) != code {
            return None;
        }
        joined.push_str(rest.get(1..).map_or("", |_| " "));
        joined.push_str(rest.get(1..).unwrap_or_default().trim());
    }
    let code = first?;
    let is_permanent = match code.as_bytes().first() {
        Some(b'5') => true,
        Some(b'4') => false,
        _ => return None,
    };
    let whole = format!("{code}{joined}").replace("%%", "%");
    let is_plain = whole.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    is_plain.then(|| Reply::Words(crate::plain(&whole), is_permanent))
}

/// What was agreed on with a milter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Agreement {
    pub(super) steps: u32,
    pub(super) macros: Vec<(u32, String)>,
}

impl Agreement {
    /// Of what the milter said; else why there is none.
    pub(super) fn of(reply: Reply, may: May) -> Result<Self, String> {
        let Reply::Agreed {
            version,
            actions,
            steps,
            macros,
        } = reply
        else {
            return Err("it did not answer the offer with an agreement".to_owned());
        };
        if !(OLDEST_VERSION..=VERSION).contains(&version) {
            return Err(format!("it speaks version {version} of the protocol"));
        }
        let more = actions & !offered(may);
        if more != 0 {
            return Err(format!(
                "it wants to do more than it may (actions {more:#x})"
            ));
        }
        let unknown = steps & !step::OFFERED;
        if unknown != 0 {
            return Err(format!(
                "it wants steps that were not offered ({unknown:#x})"
            ));
        }
        Ok(Self { steps, macros })
    }

    pub(super) fn has(&self, step: u32) -> bool {
        self.steps & step != 0
    }
}

fn offered(may: May) -> u32 {
    let fields = match may.fields {
        true => action::ADD_FIELDS | action::CHANGE_FIELDS,
        false => 0,
    };
    let body = match may.body {
        true => action::CHANGE_BODY,
        false => 0,
    };
    fields | body | action::QUARANTINE | action::SET_MACROS
}

/// A packet.
pub(super) fn packet(command: u8, parts: &[&[u8]]) -> Vec<u8> {
    let octets = parts.iter().map(|part| part.len()).sum::<usize>();
    let length = u32::try_from(octets.saturating_add(1)).unwrap_or(u32::MAX);
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(command);
    for part in parts {
        packet.extend_from_slice(part);
    }
    packet
}

/// The offer.
pub(super) fn offer(may: May) -> Vec<u8> {
    packet(
        b'O',
        &[
            &VERSION.to_be_bytes(),
            &offered(may).to_be_bytes(),
            &step::OFFERED.to_be_bytes(),
        ],
    )
}

/// Strings, each with the octet of zero that ends it; one within would end it early.
pub(super) fn joined(texts: &[&[u8]]) -> Vec<u8> {
    let mut octets = Vec::new();
    for text in texts {
        octets.extend(text.iter().filter(|octet| **octet != 0));
        octets.push(0);
    }
    octets
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn read(command: u8, data: &[u8]) -> Result<Reply, PacketError> {
        let mut packets = Packets::default();
        packets.push(&packet(command, &[data]));
        packets.next_reply().map(Option::unwrap)
    }

    #[test]
    fn replies_are_read() {
        assert_eq!(read(b'c', b""), Ok(Reply::Continue));
        assert_eq!(
            read(b'i', b"\0\0\0\x01X-A\0b\0"),
            Ok(Reply::InsertField(1, b"X-A".into(), b"b".into()))
        );
        assert_eq!(
            read(b'y', b"550-5.7.1 one 100%%\r\n550 5.7.1 two\0"),
            Ok(Reply::Words("550 5.7.1 one 100% 5.7.1 two".into(), true))
        );
        assert_eq!(
            read(
                b'O',
                b"\0\0\0\x06\0\0\0\x11\0\0\0\x01\0\0\0\x05i {mail_addr}\0"
            ),
            Ok(Reply::Agreed {
                version: 6,
                actions: 0x11,
                steps: 1,
                macros: vec![(5, "i {mail_addr}".into())],
            })
        );
    }

    #[test]
    fn what_is_no_reply_is_named() {
        for bad in [
            &b"250 2.0.0 fine\0"[..],
            b"99 x\0",
            b"550 no end",
            b"550 one\r\n450 two\0",
            b"550\x07\0",
            b"abc def\0",
            b"5501\0",
            b"\0",
        ] {
            assert_eq!(
                read(b'y', bad),
                Err(PacketError::Content("reply code")),
                "{bad:?}"
            );
        }
        assert_eq!(read(b'Z', b""), Err(PacketError::Command('Z')));
        assert_eq!(
            read(b'h', b"X-A\0b\0c\0"),
            Err(PacketError::Content("new field"))
        );
        assert_eq!(read(b'O', b"\0\0"), Err(PacketError::Content("agreement")));
        let mut packets = Packets::default();
        packets.push(&[0xff; 4]);
        assert_eq!(packets.next_reply(), Err(PacketError::Length(u32::MAX)));
    }

    #[test]
    fn who_wants_more_than_it_may_is_refused() {
        let said = |actions, steps, version| Reply::Agreed {
            version,
            actions,
            steps,
            macros: Vec::new(),
        };
        let fields = May {
            fields: true,
            body: false,
        };
        assert!(Agreement::of(said(0x31, 0x1ff, 6), fields).is_ok());
        assert!(Agreement::of(said(0x02, 0, 6), fields).is_err());
        assert!(Agreement::of(said(0x04, 0, 6), fields).is_err());
        assert!(Agreement::of(said(0, 0x800, 6), fields).is_err());
        assert!(Agreement::of(said(0, 0, 7), fields).is_err());
        assert!(Agreement::of(Reply::Continue, fields).is_err());
    }

    proptest! {
        /// Whatever comes, in whatever pieces: the same replies, and no panic.
        #[test]
        fn pieces_do_not_matter(octets in proptest::collection::vec(any::<u8>(), 0..400), piece in 1_usize..40) {
            let all = |pieces: Vec<&[u8]>| {
                let (mut packets, mut said) = (Packets::default(), Vec::new());
                for piece in pieces {
                    packets.push(piece);
                    loop {
                        match packets.next_reply() {
                            Ok(Some(reply)) => said.push(Ok(reply)),
                            Ok(None) => break,
                            Err(error) => {
                                said.push(Err(error));
                                return said;
                            }
                        }
                    }
                }
                said
            };
            // Lengths are small, so that there is something to read.
            let mut octets = octets;
            for at in (0..octets.len()).step_by(9) {
                for zero in octets.iter_mut().skip(at).take(3) {
                    *zero = 0;
                }
            }
            prop_assert_eq!(all(vec![&octets]), all(octets.chunks(piece).collect()));
        }
    }
}

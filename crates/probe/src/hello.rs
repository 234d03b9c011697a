//! The first messages of TLS as bytes of our own: a ClientHello for versions and ciphers that no library of today speaks, and
//! what a server answers to it (RFC 6101, 2246, 5246, 8446). The handshake goes no further.

/// A version as the wire has it.
pub(crate) const SSL_3: u16 = 0x0300;
pub(crate) const TLS_1_0: u16 = 0x0301;
pub(crate) const TLS_1_1: u16 = 0x0302;
pub(crate) const TLS_1_2: u16 = 0x0303;
pub(crate) const TLS_1_3: u16 = 0x0304;

/// Octets of an answer's messages that are looked at: a ServerHello takes a hundred.
const MOST: usize = 32 << 10;
/// Records longer than TLS allows are none (RFC 5246, section 6.2.3).
const RECORD: usize = (1 << 14) + 2048;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const SUPPORTED_VERSIONS: u16 = 43;
const RENEGOTIATION_INFO: u16 = 0xff01;

/// What a ClientHello asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The highest version.
    pub(crate) version: u16,
    pub(crate) suites: &'a [u16],
    /// Whether compression is offered (RFC 3749).
    pub(crate) compression: bool,
    pub(crate) random: [u8; 32],
    /// The name to say, if it is one of the DNS.
    pub(crate) name: Option<&'a str>,
}

/// The record with the ClientHello.
pub(crate) fn client_hello(asked: &Asked<'_>) -> Vec<u8> {
    let legacy = asked.version.min(TLS_1_2);
    let mut body = Vec::new();
    body.extend(legacy.to_be_bytes());
    body.extend(asked.random);
    // No session to go on with.
    body.push(0);
    prefixed(&mut body, &pairs(asked.suites));
    body.extend(if asked.compression {
        &[2, 1, 0][..]
    } else {
        &[1, 0][..]
    });
    if asked.version > SSL_3 {
        prefixed(&mut body, &extensions(asked));
    }
    let mut message = vec![1, 0];
    prefixed(&mut message, &body);
    let mut record = vec![HANDSHAKE];
    // Old servers want no version here that they do not know (RFC 5246, E.1).
    record.extend(asked.version.min(TLS_1_0).to_be_bytes());
    prefixed(&mut record, &message);
    record
}

fn extensions(asked: &Asked<'_>) -> Vec<u8> {
    const GROUPS: &[u16] = &[0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x0100, 0x0101];
    const SIGNATURES: &[u16] = &[
        0x0804, 0x0403, 0x0807, 0x0805, 0x0503, 0x0806, 0x0603, 0x0401, 0x0501, 0x0601, 0x0203,
        0x0201,
    ];
    let mut all = Vec::new();
    if let Some(name) = asked.name {
        let mut entry = vec![0];
        prefixed(&mut entry, name.as_bytes());
        extension(&mut all, 0, &listed(&entry));
    }
    extension(&mut all, 10, &listed(&pairs(GROUPS)));
    extension(&mut all, 11, &[1, 0]);
    if asked.version >= TLS_1_2 {
        extension(&mut all, 13, &listed(&pairs(SIGNATURES)));
    }
    extension(&mut all, RENEGOTIATION_INFO, &[0]);
    if asked.version >= TLS_1_3 {
        let [high, low] = TLS_1_3.to_be_bytes();
        extension(&mut all, SUPPORTED_VERSIONS, &[2, high, low]);
        extension(&mut all, 45, &[1, 1]);
        // No share: the server answers with its own wish, which tells the version too.
        extension(&mut all, 51, &[0, 0]);
    }
    all
}

fn pairs(numbers: &[u16]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

fn listed(octets: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    prefixed(&mut list, octets);
    list
}

fn extension(all: &mut Vec<u8>, kind: u16, octets: &[u8]) {
    all.extend(kind.to_be_bytes());
    prefixed(all, octets);
}

/// `octets` behind their length in two octets; what is written here is far shorter than they can tell.
fn prefixed(out: &mut Vec<u8>, octets: &[u8]) {
    let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(octets.iter().take(usize::from(length)));
}

/// What a server answers to a ClientHello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It goes along.
    Hello(Hello),
    /// It refuses, with the description of the alert.
    Alert(u8),
}

/// What of a ServerHello tells something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The version that it chose.
    pub version: u16,
    /// The cipher suite that it chose.
    pub suite: u16,
    /// The compression that it chose; 0: none.
    pub compression: u8,
    /// Whether it renegotiates safely (RFC 5746).
    pub renegotiates_safely: bool,
}

/// Why an answer is none of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Neither a handshake nor an alert.
    #[error("a record of the type {0} came")]
    Record(u8),
    /// A length that TLS does not allow.
    #[error("a record of {0} octets came")]
    Length(usize),
    /// Another message than was due.
    #[error("a handshake message of the type {0} came")]
    Message(u8),
    /// The ServerHello ends too soon.
    #[error("the ServerHello is cut off")]
    Short,
    /// A ServerHello without an end.
    #[error("more than {MOST} octets came")]
    Endless,
}

/// Reads the answer to a ClientHello as it comes, in whatever pieces.
#[derive(Debug, Default)]
pub struct Reader {
    records: Vec<u8>,
    messages: Vec<u8>,
}

impl Reader {
    /// Takes more octets. `None`: the answer is not whole yet.
    ///
    /// # Errors
    /// When it is no answer of TLS.
    pub fn feed(&mut self, octets: &[u8]) -> Result<Option<Answer>, Malformed> {
        self.records.extend_from_slice(octets);
        loop {
            if self.messages.len().saturating_add(self.records.len()) > MOST {
                return Err(Malformed::Endless);
            }
            let mut cursor = Cursor(&self.records);
            let (Some(kind), Some(_), Some(length)) =
                (cursor.octet(), cursor.pair(), cursor.pair())
            else {
                // Plain text is told as soon as its first octet is there.
                return match self.records.first() {
                    Some(kind) if !matches!(*kind, ALERT | HANDSHAKE) => {
                        Err(Malformed::Record(*kind))
                    }
                    _ => Ok(None),
                };
            };
            if !matches!(kind, ALERT | HANDSHAKE) {
                return Err(Malformed::Record(kind));
            }
            let length = usize::from(length);
            if length == 0 || length > RECORD {
                return Err(Malformed::Length(length));
            }
            let Some(content) = cursor.take(length) else {
                return Ok(None);
            };
            if kind == ALERT {
                return match content {
                    // A warning that the name is not known does not end the handshake (RFC 6066, section 3).
                    [1, 112] => {
                        let rest = cursor.0.to_vec();
                        self.records = rest;
                        continue;
                    }
                    [_, description] => Ok(Some(Answer::Alert(*description))),
                    _ => Err(Malformed::Length(length)),
                };
            }
            self.messages.extend_from_slice(content);
            let rest = cursor.0.to_vec();
            self.records = rest;
            if let Some(hello) = self.hello()? {
                return Ok(Some(Answer::Hello(hello)));
            }
        }
    }

    fn hello(&self) -> Result<Option<Hello>, Malformed> {
        let mut cursor = Cursor(&self.messages);
        let Some(kind) = cursor.octet() else {
            return Ok(None);
        };
        if kind != SERVER_HELLO {
            return Err(Malformed::Message(kind));
        }
        let (Some(high), Some(low)) = (cursor.octet(), cursor.pair()) else {
            return Ok(None);
        };
        let length = (usize::from(high) << 16) | usize::from(low);
        if length > MOST {
            return Err(Malformed::Endless);
        }
        match cursor.take(length) {
            Some(body) => read_hello(body).ok_or(Malformed::Short).map(Some),
            None => Ok(None),
        }
    }
}

fn read_hello(body: &[u8]) -> Option<Hello> {
    let mut cursor = Cursor(body);
    let version = cursor.pair()?;
    cursor.take(32)?;
    let session = cursor.octet()?;
    cursor.take(usize::from(session))?;
    let mut hello = Hello {
        version,
        suite: cursor.pair()?,
        compression: cursor.octet()?,
        renegotiates_safely: false,
    };
    if cursor.0.is_empty() {
        return Some(hello);
    }
    let length = cursor.pair()?;
    let mut extensions = Cursor(cursor.take(usize::from(length))?);
    while !extensions.0.is_empty() {
        let kind = extensions.pair()?;
        let length = extensions.pair()?;
        let content = extensions.take(usize::from(length))?;
        match kind {
            SUPPORTED_VERSIONS => hello.version = Cursor(content).pair()?,
            RENEGOTIATION_INFO => hello.renegotiates_safely = true,
            _ => {}
        }
    }
    Some(hello)
}

/// Octets that are taken from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn pair(&mut self) -> Option<u16> {
        let octets = self.take(2)?;
        octets.try_into().ok().map(u16::from_be_bytes)
    }
}

/// The name of a version.
pub(crate) fn version_name(version: u16) -> String {
    match version {
        SSL_3 => "SSL 3".to_owned(),
        TLS_1_0 => "TLS 1.0".to_owned(),
        TLS_1_1 => "TLS 1.1".to_owned(),
        TLS_1_2 => "TLS 1.2".to_owned(),
        TLS_1_3 => "TLS 1.3".to_owned(),
        other => format!("version {other:#06x}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// A ServerHello as a server of TLS 1.2 sends it: no session, one suite, safe renegotiation.
    fn server_hello(version: u16, extensions: &[u8]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend([0xc0, 0x2f, 0]);
        prefixed(&mut body, extensions);
        let mut message = vec![SERVER_HELLO, 0];
        prefixed(&mut message, &body);
        let mut record = vec![HANDSHAKE, 3, 3];
        prefixed(&mut record, &message);
        record
    }

    #[test]
    fn a_hello_tells_version_suite_and_renegotiation() {
        let octets = server_hello(TLS_1_2, &[0xff, 1, 0, 1, 0]);
        let hello = Hello {
            version: TLS_1_2,
            suite: 0xc02f,
            compression: 0,
            renegotiates_safely: true,
        };
        assert_eq!(
            Reader::default().feed(&octets),
            Ok(Some(Answer::Hello(hello)))
        );
    }

    #[test]
    fn the_version_of_today_is_in_an_extension() {
        let octets = server_hello(TLS_1_2, &[0, 43, 0, 2, 3, 4]);
        let Ok(Some(Answer::Hello(hello))) = Reader::default().feed(&octets) else {
            panic!("no hello");
        };
        assert_eq!(hello.version, TLS_1_3);
    }

    #[test]
    fn what_is_no_answer_is_told() {
        assert_eq!(
            Reader::default().feed(b"220 hi"),
            Err(Malformed::Record(b'2'))
        );
        assert_eq!(
            Reader::default().feed(&[21, 3, 1, 0, 2, 2, 40]),
            Ok(Some(Answer::Alert(40)))
        );
        assert_eq!(
            Reader::default().feed(&[22, 3, 1, 0, 0]),
            Err(Malformed::Length(0))
        );
        assert_eq!(
            Reader::default().feed(&[22, 3, 1, 0, 1, 11]),
            Err(Malformed::Message(11))
        );
        assert_eq!(Reader::default().feed(&[22, 3]), Ok(None));
    }

    #[test]
    fn an_endless_hello_is_given_up() {
        let mut reader = Reader::default();
        let mut record = vec![22, 3, 3, 0x40, 0];
        record.extend([2, 0xff, 0xff, 0xff]);
        record.resize(5 + 0x4000, 0);
        assert_eq!(reader.feed(&record), Err(Malformed::Endless));
    }

    proptest! {
        /// Cuts between the pieces change nothing, and nothing panics.
        #[test]
        fn pieces_do_not_matter(octets in prop::collection::vec(any::<u8>(), 0..300), size in 1..40_usize) {
            let whole = Reader::default().feed(&octets);
            let mut reader = Reader::default();
            let mut pieces = Ok(None);
            for piece in octets.chunks(size) {
                pieces = reader.feed(piece);
                if !matches!(pieces, Ok(None)) {
                    break;
                }
            }
            prop_assert_eq!(whole, pieces);
        }

        #[test]
        fn lengths_of_what_is_asked_are_right(suites in prop::collection::vec(any::<u16>(), 1..60), version in 0x300..0x305_u16) {
            let asked = Asked { version, suites: &suites, compression: true, random: [1; 32], name: Some("mx.example") };
            let record = client_hello(&asked);
            let mut cursor = Cursor(&record);
            prop_assert_eq!(cursor.octet(), Some(HANDSHAKE));
            cursor.pair();
            let length = cursor.pair().unwrap();
            prop_assert_eq!(cursor.0.len(), usize::from(length));
            cursor.take(2);
            let length = cursor.pair().unwrap();
            prop_assert_eq!(cursor.0.len(), usize::from(length));
        }
    }
}

//! TLS: versions, ciphers and certificate (clause 4.1(2)).
//!
//! How bad a fault is depends on who comes. A mail program that is told of a fault can be mended, so at submission, IMAP and POP3
//! what is weak is a failure. A server that sends mail falls back to plain text where TLS does not come to be, and mostly takes
//! any certificate (RFC 7435, RFC 3207 section 4.1), so at the exchange's port the same is a warning.

use crate::{
    Tls,
    certificate::{self, Shown},
    check::{Check, Family, Judged, Work},
    context::{Context, Secure},
    dialogue::Dialogue,
    hello::{
        Answer, Asked, Hello, Malformed, Reader, SSL_3, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3,
        client_hello, version_name,
    },
    starttls::{self, farewell},
    trouble::Trouble,
};

pub(crate) use certificate::Look;

/// One ClientHello and what is expected of it.
#[derive(Clone, Copy)]
pub(crate) struct Asking {
    version: u16,
    suites: &'static [u16],
    compression: bool,
    wanted: Wanted,
}

/// What the answer should be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// This version is spoken.
    Version,
    /// This version is spoken, but nobody is harmed if not.
    BetterVersion,
    /// This version is refused.
    NoVersion,
    /// None of these suites is chosen.
    NoSuite,
    /// None of these suites is chosen; less grave.
    RatherNoSuite,
    NoCompression,
    SafeRenegotiation,
}

/// Of today and of yesterday, strong and weak, so that a server of any age finds one.
const ANY: &[u16] = &[
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0x009e, 0x009f, 0xccaa, 0xc009, 0xc013, 0xc00a,
    0xc014, 0xc023, 0xc027, 0xc024, 0xc028, 0x0033, 0x0039, 0x0067, 0x006b, 0x009c, 0x009d, 0x002f,
    0x0035, 0x003c, 0x003d, 0xc008, 0xc012, 0x0016, 0x000a, 0x0005, 0x0004,
];
const TODAY: &[u16] = &[0x1301, 0x1302, 0x1303];
const NULL: &[u16] = &[
    0x0001, 0x0002, 0x003b, 0x002c, 0xc001, 0xc006, 0xc00b, 0xc010, 0xc015,
];
const EXPORT: &[u16] = &[
    0x0003, 0x0006, 0x0008, 0x000b, 0x000e, 0x0011, 0x0014, 0x0017, 0x0019, 0x0060, 0x0061, 0x0062,
    0x0063, 0x0064, 0x0065,
];
const RC4: &[u16] = &[0x0004, 0x0005, 0x0066, 0xc002, 0xc007, 0xc00c, 0xc011];
const DES: &[u16] = &[0x0009, 0x000c, 0x000f, 0x0012, 0x0015];
const TRIPLE_DES: &[u16] = &[
    0x000a, 0x000d, 0x0010, 0x0013, 0x0016, 0xc003, 0xc008, 0xc00d, 0xc012,
];
const ANONYMOUS: &[u16] = &[
    0x0018, 0x001a, 0x001b, 0x0034, 0x003a, 0x006c, 0x006d, 0x0046, 0x0089, 0x009b, 0x00a6, 0x00a7,
    0xc016, 0xc017, 0xc018, 0xc019,
];
const STATIC: &[u16] = &[
    0x002f, 0x0035, 0x003c, 0x003d, 0x0041, 0x0084, 0x009c, 0x009d, 0xc09c, 0xc09d, 0xc0a0, 0xc0a1,
];

const fn check(
    id: &'static str,
    english: &'static str,
    japanese: &'static str,
    work: Work,
) -> Check {
    Check::new(Family::Tls, "4.1(2)", [id, english, japanese], work)
}

const fn version(version: u16, wanted: Wanted) -> Work {
    let suites = match version {
        TLS_1_3 => TODAY,
        _ => ANY,
    };
    Work::Hello(Asking {
        version,
        suites,
        compression: false,
        wanted,
    })
}

const fn suites(suites: &'static [u16], wanted: Wanted) -> Work {
    Work::Hello(Asking {
        version: TLS_1_2,
        suites,
        compression: false,
        wanted,
    })
}

#[rustfmt::skip]
pub(crate) const CHECKS: &[Check] = &[
    check("tls.ssl-3", "SSL 3 is refused (RFC 7568)", "SSL 3 を拒否する", version(SSL_3, Wanted::NoVersion)),
    check("tls.tls-1.0", "TLS 1.0 is refused (RFC 8996)", "TLS 1.0 を拒否する", version(TLS_1_0, Wanted::NoVersion)),
    check("tls.tls-1.1", "TLS 1.1 is refused (RFC 8996)", "TLS 1.1 を拒否する", version(TLS_1_1, Wanted::NoVersion)),
    check("tls.tls-1.2", "TLS 1.2 is spoken", "TLS 1.2 を提供している", version(TLS_1_2, Wanted::BetterVersion)),
    check("tls.tls-1.3", "TLS 1.3 is spoken (RFC 8446)", "TLS 1.3 を提供している", version(TLS_1_3, Wanted::Version)),
    check("tls.null", "Suites without encryption are refused", "暗号化なしの暗号スイートを拒否する", suites(NULL, Wanted::NoSuite)),
    check("tls.export", "Suites weakened for export are refused", "輸出用の弱い暗号スイートを拒否する", suites(EXPORT, Wanted::NoSuite)),
    check("tls.rc4", "RC4 is refused (RFC 7465)", "RC4 を拒否する", suites(RC4, Wanted::NoSuite)),
    check("tls.des", "DES is refused", "DES を拒否する", suites(DES, Wanted::NoSuite)),
    check("tls.3des", "Triple DES is refused", "3DES を拒否する", suites(TRIPLE_DES, Wanted::NoSuite)),
    check("tls.anonymous", "Suites without a certificate are refused", "証明書なしの暗号スイートを拒否する", suites(ANONYMOUS, Wanted::NoSuite)),
    check("tls.forward-secrecy", "Suites without forward secrecy are refused", "前方秘匿性のない暗号スイートを拒否する", suites(STATIC, Wanted::RatherNoSuite)),
    check("tls.compression", "Compression within TLS is refused", "TLS の圧縮を拒否する", Work::Hello(Asking { version: TLS_1_2, suites: ANY, compression: true, wanted: Wanted::NoCompression })),
    check("tls.renegotiation", "Renegotiation is safe (RFC 5746)", "安全な再ネゴシエーションに対応している", Work::Hello(Asking { version: TLS_1_2, suites: ANY, compression: false, wanted: Wanted::SafeRenegotiation })),
    check("tls.handshake", "A client of today can connect", "現在のクライアントが接続できる", Work::Certificate(Look::Handshake)),
    check("tls.certificate-chain", "A root vouches for the certificate", "証明書が信頼された認証局に連なる", Work::Certificate(Look::Chain)),
    check("tls.certificate-name", "The certificate is for this name", "証明書の名前が一致する", Work::Certificate(Look::Name)),
    check("tls.certificate-dates", "The certificate is valid, and for a while", "証明書の有効期間内である", Work::Certificate(Look::Dates)),
    check("tls.certificate-key", "The key is long enough", "鍵の長さが十分である", Work::Certificate(Look::Key)),
    check("tls.certificate-signature", "The certificate is signed with a strong hash", "証明書の署名に強いハッシュを使う", Work::Certificate(Look::Signature)),
];

/// How a ClientHello was answered.
enum Ended {
    Hello(Hello),
    Alert(u8),
    Closed,
    NoTls(Malformed),
}

/// Asks with a ClientHello of our own.
pub(crate) async fn run(context: &Context<'_>, asking: &Asking) -> Result<Judged, Trouble> {
    let mut dialogue = before_handshake(context).await?;
    let name = context.plan.certificate_name();
    let is_name = name.parse::<std::net::IpAddr>().is_err();
    let asked = Asked {
        version: asking.version,
        suites: asking.suites,
        compression: asking.compression,
        random: context.world.bytes(),
        name: is_name.then_some(name),
    };
    let words = format!(
        "ClientHello: {} and {} suites{}",
        version_name(asking.version),
        asking.suites.len(),
        if asking.compression {
            ", compression"
        } else {
            ""
        },
    );
    dialogue.octets_as(&client_hello(&asked), &words).await?;
    let ended = read(&mut dialogue).await?;
    context.recorder.note(told(&ended));
    Ok(judged(context, asking, &ended))
}

/// A connection on which the handshake comes next.
async fn before_handshake(context: &Context<'_>) -> Result<Dialogue, Trouble> {
    if context.plan.tls == Tls::Implicit {
        return Ok(context.connect_bare().await?.0);
    }
    let mut dialogue = match context.plan.protocol.is_smtp() {
        true => context.smtp(Secure::Plain).await?.dialogue,
        false => context.open(Secure::Plain).await?,
    };
    context.ask_for_tls(&mut dialogue).await?;
    Ok(dialogue)
}

async fn read(dialogue: &mut Dialogue) -> Result<Ended, Trouble> {
    let mut reader = Reader::default();
    loop {
        let octets = match dialogue.some().await {
            Err(Trouble::Closed) => return Ok(Ended::Closed),
            octets => octets?,
        };
        match reader.feed(&octets) {
            Ok(Some(Answer::Hello(hello))) => return Ok(Ended::Hello(hello)),
            Ok(Some(Answer::Alert(description))) => return Ok(Ended::Alert(description)),
            Ok(None) => {}
            Err(malformed) => return Ok(Ended::NoTls(malformed)),
        }
    }
}

fn told(ended: &Ended) -> String {
    match ended {
        Ended::Hello(hello) => format!(
            "ServerHello: {}, suite {:#06x}, compression {}",
            version_name(hello.version),
            hello.suite,
            hello.compression
        ),
        Ended::Alert(description) => format!("alert {description}"),
        Ended::Closed => "the server closed the connection".to_owned(),
        Ended::NoTls(malformed) => format!("no TLS: {malformed}"),
    }
}

fn judged(context: &Context<'_>, asking: &Asking, ended: &Ended) -> Judged {
    let protocol = context.plan.protocol;
    let asked = version_name(asking.version);
    let hello = match ended {
        Ended::NoTls(malformed) => {
            return Judged::could_not_tell(format!("the answer is not TLS: {malformed}"));
        }
        Ended::Hello(hello) => Some(hello),
        Ended::Alert(_) | Ended::Closed => None,
    };
    let how = told(ended);
    match (asking.wanted, hello) {
        (Wanted::Version | Wanted::BetterVersion, Some(hello))
            if hello.version == asking.version =>
        {
            Judged::pass(format!("{asked} is spoken"))
        }
        (Wanted::Version, _) => Judged::warn(format!("{asked} is not spoken: {how}")),
        (Wanted::BetterVersion, _) => Judged::info(format!("{asked} is not spoken: {how}")),
        (Wanted::NoVersion, Some(hello)) if hello.version <= asking.version => {
            let spoken = version_name(hello.version);
            Judged::weak_tls(
                protocol,
                format!("{spoken} is spoken, suite {:#06x}", hello.suite),
            )
        }
        (Wanted::NoSuite, Some(hello)) if asking.suites.contains(&hello.suite) => {
            Judged::weak_tls(protocol, format!("the suite {:#06x} is taken", hello.suite))
        }
        (Wanted::RatherNoSuite, Some(hello)) if asking.suites.contains(&hello.suite) => {
            Judged::warn(format!(
                "the suite {:#06x} is taken: who has the server's key can read what was recorded before",
                hello.suite
            ))
        }
        (Wanted::NoCompression, Some(hello)) if hello.compression != 0 => Judged::weak_tls(
            protocol,
            "compression is taken: lengths tell of what is encrypted (CVE-2012-4929)",
        ),
        (Wanted::SafeRenegotiation, Some(hello))
            if hello.version < TLS_1_3 && !hello.renegotiates_safely =>
        {
            Judged::weak_tls(
                protocol,
                "the server does not know RFC 5746 (CVE-2009-3555)",
            )
        }
        (Wanted::SafeRenegotiation, None) => Judged::info(format!("TLS 1.2 is not spoken: {how}")),
        (_, Some(_)) => Judged::pass(format!("not so: {how}")),
        (_, None) => Judged::pass(format!("refused: {how}")),
    }
}

/// Looks at the handshake and the certificate of a client of today.
pub(crate) async fn look(context: &Context<'_>, look: Look) -> Result<Judged, Trouble> {
    let connected = async {
        if context.plan.tls == Tls::Implicit {
            return context.connect().await.map(|(dialogue, _)| dialogue);
        }
        match context.plan.protocol.is_smtp() {
            true => Ok(context.smtp(Secure::Encrypted).await?.dialogue),
            false => context.open(Secure::Encrypted).await,
        }
    };
    let mut dialogue = match (connected.await, look) {
        (Err(Trouble::Handshake(error)), Look::Handshake) => {
            let reason = format!(
                "a client that speaks TLS 1.2 and 1.3 with suites of today cannot connect: {error}"
            );
            return Ok(Judged::weak_tls(context.plan.protocol, reason));
        }
        (dialogue, _) => dialogue?,
    };
    let shown = Shown {
        chain: std::mem::take(&mut dialogue.chain),
        security: dialogue.security.clone().unwrap_or_default(),
    };
    if look == Look::Handshake {
        // A session that works goes on.
        starttls::capabilities_after_greeting(context, &mut dialogue).await?;
    }
    dialogue.farewell(farewell(context.plan.protocol)).await;
    certificate::judge(context, &shown, look)
}

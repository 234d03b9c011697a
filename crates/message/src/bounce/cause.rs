//! Why mail was not delivered, in a few sorts that somebody can do something about.

use crate::StatusCode;

/// A sort of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// There is no such mailbox, or not any more.
    NoMailbox,
    /// The mailbox has no room.
    MailboxFull,
    /// The message is too large.
    TooLarge,
    /// The receiver does not want it: its rules, its lists, what is in it.
    NotWanted,
    /// The receiver does not believe that it is from where it says: SPF, DKIM, DMARC, the name of the address.
    NotBelieved,
    /// The domain has no server that takes mail.
    NoServer,
    /// The server could not be reached, or did not take it in time.
    NotReached,
    /// It goes in a circle.
    Loop,
    /// Anything else.
    Other,
}

impl Cause {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoMailbox => "no-mailbox",
            Self::MailboxFull => "mailbox-full",
            Self::TooLarge => "too-large",
            Self::NotWanted => "not-wanted",
            Self::NotBelieved => "not-believed",
            Self::NoServer => "no-server",
            Self::NotReached => "not-reached",
            Self::Loop => "loop",
            Self::Other => "other",
        }
    }

    /// Of a status code (RFC 3463, 7372, 7505), and of what was said. Words come first where the code says little: many servers give
    /// 5.0.0 or 5.7.1 to everything.
    #[must_use]
    pub fn of(status: Option<StatusCode>, said: &str) -> Self {
        let by_code = status.map_or(Self::Other, Self::of_code);
        if matches!(by_code, Self::Other | Self::NotWanted) {
            return Self::of_words(said).unwrap_or(by_code);
        }
        by_code
    }

    fn of_code(status: StatusCode) -> Self {
        match (status.subject, status.detail) {
            (1, 1 | 3 | 6) | (2, 1) => Self::NoMailbox,
            (1, 2 | 10) | (4, 4) => Self::NoServer,
            (2, 2) | (3, 1) => Self::MailboxFull,
            (2, 3) | (3, 4) => Self::TooLarge,
            (4, 1 | 2 | 3 | 7) => Self::NotReached,
            (4, 6) => Self::Loop,
            (7, 20..=29) => Self::NotBelieved,
            (6 | 7, _) => Self::NotWanted,
            _ => Self::Other,
        }
    }

    /// Of words alone, English or Japanese; `None` when they say nothing known.
    #[must_use]
    pub fn of_words(said: &str) -> Option<Self> {
        let said = said.to_lowercase();
        let found = WORDS
            .iter()
            .find(|(_, words)| words.iter().any(|word| said.contains(word)));
        found.map(|(cause, _)| *cause)
    }
}

/// What programs say, the clearest first.
const WORDS: &[(Cause, &[&str])] = &[
    (
        Cause::MailboxFull,
        &[
            "mailbox full",
            "mailbox is full",
            "over quota",
            "overquota",
            "quota exceeded",
            "exceeded storage",
            "exceeds the quota",
            "insufficient system storage",
            "not enough space",
            "容量",
            "受信ボックスがいっぱい",
            "メールボックスがいっぱい",
        ],
    ),
    (
        Cause::NotBelieved,
        &[
            "spf",
            "dkim",
            "dmarc",
            "reverse dns",
            "unauthenticated",
            "not authenticated",
            "送信ドメイン認証",
        ],
    ),
    (
        Cause::NoMailbox,
        &[
            "user unknown",
            "unknown user",
            "no such user",
            "no such mailbox",
            "no mailbox here",
            "mailbox unavailable",
            "mailbox not found",
            "does not exist",
            "doesn't exist",
            "recipient not found",
            "unknown recipient",
            "invalid recipient",
            "recipient rejected",
            "recipient address rejected",
            "unknown address",
            "unrouteable address",
            "account has been disabled",
            "no longer valid",
            "address unknown",
            "not our customer",
            "宛先不明",
            "あて先不明",
            "存在しません",
            "見つかりません",
            "アドレスが正しくない",
            "アドレスが間違って",
        ],
    ),
    (
        Cause::NoServer,
        &[
            "host not found",
            "domain not found",
            "host unknown",
            "unknown host",
            "name service error",
            "no mx",
            "null mx",
            "does not accept mail",
            "couldn't find any host",
            "ドメインが存在しない",
            "サーバーが見つか",
        ],
    ),
    (
        Cause::TooLarge,
        &[
            "too large",
            "too big",
            "size limit",
            "exceeds size",
            "message size exceeds",
            "maximum message size",
            "サイズが大き",
            "サイズ制限",
        ],
    ),
    (
        Cause::Loop,
        &[
            "too many hops",
            "hop count",
            "mail loop",
            "loops back",
            "ループ",
        ],
    ),
    (
        Cause::NotWanted,
        &[
            "spam",
            "blocked",
            "blacklist",
            "blocklist",
            "block list",
            "black list",
            "rejected due to",
            "policy",
            "virus",
            "reputation",
            "denied",
            "prohibited",
            "not allowed",
            "迷惑メール",
            "受信拒否",
            "拒否されました",
        ],
    ),
    (
        Cause::NotReached,
        &[
            "timed out",
            "timeout",
            "connection refused",
            "no route to host",
            "unreachable",
            "try again later",
            "temporarily",
            "retry time",
            "could not be delivered for",
            "時間内に",
            "タイムアウト",
            "接続できません",
        ],
    ),
];

//! What is conspicuous.

use std::net::IpAddr;

use jiff::Timestamp;

/// Where passwords are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Submission.
    Msa,
    /// Retrieval: IMAP and POP3.
    Mra,
    /// The pages.
    Web,
}

impl Service {
    /// The service that events call so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "msa" => Some(Self::Msa),
            "mra" => Some(Self::Mra),
            "web" => Some(Self::Web),
            _ => None,
        }
    }

    /// Its name in the regulation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Msa => "MSA",
            Self::Mra => "MRA",
            Self::Web => "Web",
        }
    }
}

/// What makes it conspicuous, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// An identifier was proved after many failures: a password may have been found.
    SuccessAfterFailures,
    /// An identifier was proved from two networks within minutes.
    TwoPlaces,
    /// Many failures against one identifier.
    Guessing,
    /// The same, so slowly that no hour is conspicuous.
    SlowGuessing,
    /// One address fails with many identifiers.
    Spraying,
    /// Many addresses fail with many identifiers.
    Stuffing,
    /// An address tries again and again to relay through the exchange server.
    Relaying,
    /// An identifier was proved from a network that it was never proved from.
    NewPlace,
    /// An identifier was proved by a program that it never used.
    NewClient,
}

impl Pattern {
    /// All of them, the gravest first.
    pub const ALL: [Self; 9] = [
        Self::SuccessAfterFailures,
        Self::TwoPlaces,
        Self::Guessing,
        Self::SlowGuessing,
        Self::Spraying,
        Self::Stuffing,
        Self::Relaying,
        Self::NewPlace,
        Self::NewClient,
    ];

    /// Its name on the command line and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SuccessAfterFailures => "success-after-failures",
            Self::TwoPlaces => "two-places",
            Self::Guessing => "guessing",
            Self::SlowGuessing => "slow-guessing",
            Self::Spraying => "spraying",
            Self::Stuffing => "stuffing",
            Self::Relaying => "relaying",
            Self::NewPlace => "new-place",
            Self::NewClient => "new-client",
        }
    }

    /// What it means, in English and in Japanese.
    #[must_use]
    pub fn words(self) -> [&'static str; 2] {
        match self {
            Self::SuccessAfterFailures => [
                "an identifier was proved after many failures: its password may have been found",
                "多数の失敗の後に認証が成功した識別コード(パスワードが知られた可能性)",
            ],
            Self::TwoPlaces => [
                "an identifier was proved from two networks within minutes",
                "数分のうちに二つのネットワークから認証された識別コード",
            ],
            Self::Guessing => [
                "many failures against one identifier",
                "一つの識別コードに対するパスワードの試行",
            ],
            Self::SlowGuessing => [
                "failures against one identifier, few at a time over days",
                "一つの識別コードに対する、数日にわたる緩慢なパスワードの試行",
            ],
            Self::Spraying => [
                "one address fails with many identifiers",
                "一つのアドレスからの多数の識別コードに対する試行",
            ],
            Self::Stuffing => [
                "many addresses fail with many identifiers",
                "多数のアドレスからの多数の識別コードに対する試行",
            ],
            Self::Relaying => [
                "an address tries again and again to relay",
                "不正中継の試行",
            ],
            Self::NewPlace => [
                "an identifier was proved from a network that it was never proved from",
                "これまでにないネットワークからの認証",
            ],
            Self::NewClient => [
                "an identifier was proved by a program that it never used",
                "これまでにないプログラムによる認証",
            ],
        }
    }
}

/// Something conspicuous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Find {
    /// Why.
    pub pattern: Pattern,
    /// Where; none: at the exchange.
    pub services: Vec<Service>,
    /// How many events it is about.
    pub count: u64,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// Identifiers, the first few.
    pub identifiers: Vec<String>,
    /// Addresses, the first few.
    pub addresses: Vec<IpAddr>,
    /// Events to begin reading at: the first few by number.
    pub events: Vec<i64>,
}

impl Find {
    /// The services, as a reader takes them in.
    #[must_use]
    pub fn place(&self) -> String {
        if self.services.is_empty() {
            return "MTA".to_owned();
        }
        let names: Vec<&str> = self.services.iter().map(|one| one.as_str()).collect();
        names.join(", ")
    }

    /// The command of `kakitome` that shows its events, to be typed into a shell as it stands: identifiers are what attackers claimed.
    #[must_use]
    pub fn search(&self) -> String {
        // A search ends before the time that it is told.
        let after = self.last.checked_add(jiff::SignedDuration::from_millis(1));
        let mut search = format!(
            "audit search --from {} --to {}",
            self.first,
            after.unwrap_or(self.last)
        );
        search.push_str(match self.pattern {
            Pattern::Relaying => " --kind smtp.refused",
            Pattern::Guessing | Pattern::SlowGuessing | Pattern::Spraying | Pattern::Stuffing => {
                " --kind authentication.failed"
            }
            _ => " --kind authentication.failed --kind authentication.succeeded",
        });
        match (&self.identifiers[..], &self.addresses[..]) {
            ([one], _) => search.push_str(&format!(" --subject={}", quoted(one))),
            (_, [one]) => search.push_str(&format!(" --address {one}")),
            _ => {}
        }
        search
    }
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '-' | '_' | '+');
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_attacker_claims_is_one_word_of_a_shell() {
        for (claimed, word) in [
            ("tanaka@city.example", "tanaka@city.example"),
            ("$(reboot)", "'$(reboot)'"),
            ("a'; reboot; '", r"'a'\''; reboot; '\'''"),
            ("", "''"),
        ] {
            assert_eq!(quoted(claimed), word);
        }
    }
}

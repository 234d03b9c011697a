//! What goes with a command to the server, and what comes back: a list, or one thing.

use std::path::PathBuf;

use super::{
    AbuseCommand, AccountCommand, AppPasswordCommand, AuditCommand, BlockCommand, ClauseCommand,
    CustodyCommand, DkimCommand, DmarcCommand, ForwardCommand, IncidentCommand, OrderCommand,
    OutbreakCommand, PersonCommand, QuarantineCommand, QueueCommand, ReadingCommand,
    RegisterCommand, RegulationCommand, ReportsCommand, RunbookCommand, ScreeningCommand,
    SecondFactorCommand, SiteCommand, StsCommand, TlsCommand, TlsReportsCommand, VulnCommand,
};

impl SiteCommand {
    /// The file whose text goes with the command, if there is one.
    pub(crate) fn attachment(&self) -> Option<&PathBuf> {
        match self {
            Self::Order(OrderCommand::Import { file })
            | Self::Person(PersonCommand::Roster { file })
            | Self::Account(AccountCommand::Import { file, .. }) => Some(file),
            Self::Audit(AuditCommand::Verify(words)) => words.witness.as_ref(),
            Self::Audit(AuditCommand::ProveGrowth { since }) => Some(since),
            Self::Screening(ScreeningCommand::Try(words)) => words.file.as_ref(),
            _ => None,
        }
    }

    /// The words to send, where they differ from those typed: the server stands in another directory.
    pub(crate) fn words(&self) -> Option<Vec<String>> {
        let (flag, path) = match self {
            Self::Backup { to } => (None, to),
            Self::Backups(command) => return command.words(),
            Self::Audit(AuditCommand::Checkpoint { to }) => (Some("--to"), to.as_ref()?),
            Self::Audit(AuditCommand::Export(words)) => (Some("--to"), &words.to),
            Self::Audit(AuditCommand::Bundle(words)) => (Some("--to"), &words.to),
            Self::Clause(ClauseCommand::Evidence { to, .. }) => (Some("--to"), to.as_ref()?),
            Self::Regulation(
                RegulationCommand::Render { to, .. } | RegulationCommand::Export { to, .. },
            )
            | Self::Runbook(RunbookCommand::Export { to, .. }) => (Some("--to"), to.as_ref()?),
            Self::Audit(AuditCommand::Report(words)) => (Some("--file"), &words.file),
            Self::Vuln(VulnCommand::Import(words)) => (Some("--file"), words.file.as_ref()?),
            Self::Vuln(VulnCommand::Execute(words)) => (Some("--file"), &words.file),
            Self::Account(AccountCommand::Letter(words)) => (Some("--to"), words.to.as_ref()?),
            Self::Screening(ScreeningCommand::Learn(words)) => return words.words(),
            _ => return None,
        };
        let typed = path.to_str()?;
        let absolute = std::path::absolute(path).ok()?.to_str()?.to_owned();
        let Some(flag) = flag else {
            return Some(vec!["backup".to_owned(), "--".to_owned(), absolute]);
        };
        let mut words = Vec::new();
        for word in std::env::args().skip(1) {
            let is_value = words.last().is_some_and(|before| before == flag) && word == typed;
            let with_flag = word
                .strip_prefix(flag)
                .and_then(|rest| rest.strip_prefix('='));
            words.push(match with_flag {
                Some(rest) if rest == typed => format!("{flag}={absolute}"),
                _ if is_value => absolute.clone(),
                _ => word,
            });
        }
        Some(words)
    }

    /// Whether its answer is a list, which may be empty.
    pub(crate) fn is_list(&self) -> bool {
        matches!(
            self,
            Self::Person(PersonCommand::List | PersonCommand::Roster { .. })
                | Self::Order(OrderCommand::List)
                | Self::Account(
                    AccountCommand::List
                        | AccountCommand::Shared
                        | AccountCommand::Reading(ReadingCommand::List)
                        | AccountCommand::Idle { .. }
                        | AccountCommand::Logins { .. }
                        | AccountCommand::Forward(ForwardCommand::List { .. })
                        | AccountCommand::AppPassword(AppPasswordCommand::List { .. })
                        | AccountCommand::SecondFactor(SecondFactorCommand::List { .. })
                )
                | Self::Queue(QueueCommand::List(_))
                | Self::Bounces(_)
                | Self::Screening(
                    ScreeningCommand::Try(_) | ScreeningCommand::Policies { digest: None }
                )
                | Self::Dkim(DkimCommand::List)
                | Self::Dmarc(
                    DmarcCommand::Records
                        | DmarcCommand::Reports(
                            ReportsCommand::List { .. }
                                | ReportsCommand::Show { .. }
                                | ReportsCommand::Figures(_)
                        )
                )
                | Self::Tls(
                    TlsCommand::Records
                        | TlsCommand::Reports(
                            TlsReportsCommand::List { .. }
                                | TlsReportsCommand::Show { .. }
                                | TlsReportsCommand::Figures(_)
                        )
                )
                | Self::Sts(StsCommand::List)
                | Self::Quarantine(QuarantineCommand::List(_) | QuarantineCommand::Figures { .. })
                | Self::Backups(_)
                | Self::Probe(_)
                | Self::Incident(IncidentCommand::List)
                | Self::Runbook(RunbookCommand::List { .. })
                | Self::Block(BlockCommand::List)
                | Self::Outbreak(OutbreakCommand::List | OutbreakCommand::Found { .. })
                | Self::Abuse(AbuseCommand::List)
                | Self::Vuln(
                    VulnCommand::List { .. }
                        | VulnCommand::Inventory { .. }
                        | VulnCommand::Feeds
                        | VulnCommand::Import(_)
                )
                | Self::Register(RegisterCommand::List { .. })
                | Self::Audit(
                    AuditCommand::Search(_)
                        | AuditCommand::Analyse(_)
                        | AuditCommand::Verify(_)
                        | AuditCommand::Volumes
                        | AuditCommand::EraseDue
                        | AuditCommand::Custody(CustodyCommand::List { .. })
                )
        )
    }

    /// Whether one line of standard input goes with the command.
    pub(crate) fn reads_line(&self) -> bool {
        matches!(
            self,
            Self::Account(AccountCommand::Password { stdin: true, .. })
        )
    }
}

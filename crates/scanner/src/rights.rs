//! Giving up every right, before the first octet of a message is read.
//!
//! Three walls, one behind the other: *seccomp* lets through what reading, writing and memory need, and kills the process for
//! anything else; *landlock* forbids files and connections to the process and all that it could start; *resource limits* leave it no
//! further file, no process, so much memory and so much time. The walls stay for good: no_new_privs.

use landlock::{
    ABI, Access, AccessFs, AccessNet, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope,
};
use malware::Landlocked;
use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// The newest rules of landlock that are asked for; an older kernel does what it knows.
const LANDLOCK: ABI = ABI::V6;

/// Why a right could not be given up; then nothing is read.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// A resource limit was not set.
    #[error("a resource limit: {0}")]
    Limit(#[from] rustix::io::Errno),
    /// Landlock failed, where the kernel has it.
    #[error("landlock: {0}")]
    Landlock(#[from] landlock::RulesetError),
    /// The filter of system calls could not be made or set.
    #[error("seccomp: {0}")]
    Filter(String),
}

/// What a process may have once it has given up the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Octets of address space.
    pub memory: u64,
    /// Seconds of processor time.
    pub seconds: u64,
}

impl Rights {
    /// Gives up everything else, for good.
    ///
    /// # Errors
    /// When a wall could not be built. That this kernel has no landlock is no error, but told.
    pub fn keep_only(self) -> Result<Landlocked, RightsError> {
        let start = self.keep_for_start()?;
        start.end()?;
        Ok(start.landlocked())
    }

    /// Gives up what a process does not need that has still to make code of what it is given, and a thread: it keeps no file, no
    /// connection and no program.
    ///
    /// # Errors
    /// When a wall could not be built.
    pub fn keep_for_start(self) -> Result<Start, RightsError> {
        // In this order: landlock is made through a descriptor, and limits are set by a call that the filter forbids.
        let landlocked = lock_land()?;
        self.limit()?;
        Ok(Start { landlocked })
    }

    /// The wall of resource limits alone.
    pub(crate) fn limit(self) -> Result<(), RightsError> {
        setrlimit(Resource::As, most(self.memory))?;
        setrlimit(Resource::Cpu, most(self.seconds))?;
        // Standard input, output and error are open already.
        setrlimit(Resource::Nofile, most(0))?;
        setrlimit(Resource::Fsize, most(0))?;
        setrlimit(Resource::Core, most(0))?;
        Ok(())
    }
}

/// A process that gets ready, and has few rights already.
#[derive(Clone, Copy, Debug)]
#[must_use = "the rights that are left are given up by `end`"]
pub struct Start {
    landlocked: Landlocked,
}

impl Start {
    /// How far landlock holds it.
    #[must_use]
    pub fn landlocked(self) -> Landlocked {
        self.landlocked
    }

    /// Gives up the rest, for all threads and for good.
    ///
    /// # Errors
    /// When a wall could not be built.
    pub fn end(self) -> Result<(), RightsError> {
        setrlimit(Resource::Nproc, most(0))?;
        filter()
    }
}

fn most(most: u64) -> Rlimit {
    Rlimit {
        current: Some(most),
        maximum: Some(most),
    }
}

/// The wall of landlock alone: all that it can forbid is forbidden.
pub(crate) fn lock_land() -> Result<Landlocked, RightsError> {
    let status = Ruleset::default()
        .set_compatibility(landlock::CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Landlocked::Fully,
        RulesetStatus::PartiallyEnforced => Landlocked::Partly,
        RulesetStatus::NotEnforced => Landlocked::Not,
    })
}

/// The wall of seccomp alone.
pub(crate) fn filter() -> Result<(), RightsError> {
    let failed = |error: &dyn std::fmt::Display| RightsError::Filter(error.to_string());
    let architecture = std::env::consts::ARCH
        .try_into()
        .map_err(|error: seccompiler::BackendError| failed(&error))?;
    let mut rules: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        PERMITTED.iter().map(|call| (*call, Vec::new())).collect();
    // Memory that is written must not be run.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let executable = u64::try_from(libc::PROT_EXEC).unwrap_or(u64::MAX);
        let not_executable = SeccompCondition::new(
            2,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(executable),
            0,
        );
        let rule = not_executable.and_then(|condition| SeccompRule::new(vec![condition]));
        rules.insert(call, vec![rule.map_err(|error| failed(&error))?]);
    }
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        architecture,
    );
    let program: BpfProgram = filter
        .and_then(TryInto::try_into)
        .map_err(|error| failed(&error))?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| failed(&error))
}

/// What reading, writing and memory need; and the ends of a process. Not one of them names a file, an address or a process.
const PERMITTED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

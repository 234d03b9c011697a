//! What processes cost, as the kernel counts it: CPU seconds and memory of whole trees of processes.

use std::{collections::HashMap, fs};

/// Ticks of a second in `/proc`: the kernel's USER_HZ, which is part of its interface.
const TICKS: f64 = 100.0;

/// One line of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Clock ticks of the process.
    own: u64,
    /// Clock ticks of the process and of its children that ended.
    ticks: u64,
}

/// The processes below `roots`, with them.
pub(crate) fn tree(roots: &[u32]) -> Vec<u32> {
    let all = all();
    let mut found: Vec<u32> = roots.to_vec();
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(
            all.iter()
                .filter(|(_, stat)| stat.parent == parent)
                .map(|(pid, _)| pid),
        );
        at += 1;
    }
    found
}

/// CPU seconds of the processes below `roots`, those that ended too.
pub(crate) fn cpu_seconds(roots: &[u32]) -> f64 {
    let ticks: u64 = tree(roots)
        .iter()
        .filter_map(|pid| stat(*pid))
        .map(|stat| stat.ticks)
        .sum();
    ticks as f64 / TICKS
}

/// CPU seconds of the load program itself, without the servers that it started.
pub(crate) fn own_cpu_seconds() -> f64 {
    let own = stat(std::process::id()).map_or(0, |stat| stat.own);
    own as f64 / TICKS
}

/// The most memory that this process ever had, in octets.
pub(crate) fn own_peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    kib(&status, "VmHWM:").unwrap_or(0) << 10
}

/// Proportional set size of the processes below `roots`, in KiB: shared pages are counted once.
pub(crate) fn memory_kib(roots: &[u32]) -> u64 {
    let sizes = tree(roots).into_iter().filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        kib(&text, "Pss:")
    });
    sizes.sum()
}

fn all() -> HashMap<u32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return HashMap::new();
    };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter_map(|pid: u32| Some((pid, stat(pid)?)))
        .collect()
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads proc(5)'s stat: the name may hold spaces and brackets, so counting starts after the last bracket.
fn parse(text: &str) -> Option<Stat> {
    let (_, after) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: number(11)? + number(12)?,
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
    })
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_mislead() {
        let text = "12 (a) b (c)) S 7 12 12 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0";
        let stat = parse(text).map(|stat| (stat.parent, stat.own, stat.ticks));
        assert_eq!(stat, Some((7, 30, 100)));
        assert_eq!(parse("12 (x"), None);
    }

    #[test]
    fn sizes_are_read() {
        let text =
            "00400000-7fff---p 00000000 00:00 0 [rollup]\nRss:     1000 kB\nPss:      600 kB\n";
        assert_eq!(kib(text, "Pss:"), Some(600));
        assert_eq!(kib(text, "Swap:"), None);
    }
}

//! The tables, in numbered steps from an empty database to today's format.

/// A step of the format: what it does to the step before, in portable SQL.
pub(crate) struct Step {
    /// The format that a database has after it.
    pub(crate) format: i64,
    /// The files, in order.
    pub(crate) files: &'static [&'static str],
}

/// Every step, ascending. A step that was released never changes; the next change is a new one.
pub(crate) const STEPS: &[Step] = &[
    Step {
        format: 1,
        files: &[
            include_str!("schema/core.sql"),
            include_str!("schema/mail.sql"),
            include_str!("schema/directory.sql"),
        ],
    },
    // No new tables: `meta` notes how far the segments are known (see `mark`), and a program that does not keep
    // that up must not write.
    Step {
        format: 2,
        files: &[],
    },
    Step {
        format: 3,
        files: &[include_str!("schema/trail.sql")],
    },
    Step {
        format: 4,
        files: &[include_str!("schema/tree.sql")],
    },
    Step {
        format: 5,
        files: &[include_str!("schema/life.sql")],
    },
    Step {
        format: 6,
        files: &[include_str!("schema/access.sql")],
    },
    Step {
        format: 7,
        files: &[include_str!("schema/screening.sql")],
    },
    Step {
        format: 8,
        files: &[
            include_str!("schema/memory.sql"),
            include_str!("schema/transport.sql"),
            include_str!("schema/incident.sql"),
        ],
    },
    Step {
        format: 9,
        files: &[
            include_str!("schema/outbreak.sql"),
            include_str!("schema/abuse.sql"),
            include_str!("schema/tls_reports.sql"),
            include_str!("schema/submission.sql"),
        ],
    },
    Step {
        format: 10,
        files: &[
            include_str!("schema/governance.sql"),
            include_str!("schema/vuln.sql"),
            include_str!("schema/traffic.sql"),
            include_str!("schema/runbook.sql"),
            include_str!("schema/order.sql"),
            include_str!("schema/duties.sql"),
        ],
    },
    Step {
        format: 11,
        files: &[include_str!("schema/arrival.sql")],
    },
    Step {
        format: 12,
        files: &[include_str!("schema/closing.sql")],
    },
];

/// The format that this build writes.
pub(crate) fn newest() -> i64 {
    STEPS.iter().map(|step| step.format).max().unwrap_or(0)
}

/// The statements of a file, without comments.
pub(crate) fn statements(file: &str) -> Vec<String> {
    let code: Vec<&str> = file
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .collect();
    code.join("\n")
        .split(";\n")
        .map(|statement| statement.trim().trim_end_matches(';').trim().to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

/// The names of all tables of the newest format.
pub(crate) fn tables() -> Vec<String> {
    let mut tables = Vec::new();
    for statement in STEPS
        .iter()
        .flat_map(|step| step.files)
        .flat_map(|file| statements(file))
    {
        let name = |prefix| statement.strip_prefix(prefix)?.split_whitespace().next();
        if let Some(name) = name("CREATE TABLE ") {
            tables.push(name.to_owned());
        } else if let Some(name) = name("DROP TABLE ") {
            tables.retain(|table| table != name);
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_split_into_statements() {
        let found =
            statements("-- a; b\nCREATE TABLE x (\n  a BIGINT\n);\nCREATE INDEX y ON x (a);");
        assert_eq!(
            found,
            ["CREATE TABLE x (\n  a BIGINT\n)", "CREATE INDEX y ON x (a)"]
        );
    }
}

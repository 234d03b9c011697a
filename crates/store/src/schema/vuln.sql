-- Format 10: software, what feeds say about it, and cases of vulnerability (clauses 4.3, 8.3). Owned by the room `governance`.

-- Software that runs here, or did: 'item' is JSON, all that it is known by. It is here until 'gone_at'.
CREATE TABLE software (
    number BIGINT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('server', 'component', 'package', 'scanner', 'declared')),
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    item TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    gone_at BIGINT
);
CREATE INDEX software_present ON software (gone_at);

-- When software of a kind was last looked for, and why it could not be ('' = it could).
CREATE TABLE software_look (
    kind TEXT PRIMARY KEY,
    looked_at BIGINT NOT NULL,
    seen_at BIGINT,
    failed TEXT NOT NULL
);

-- A feed: the last try, and the last that was good.
CREATE TABLE vuln_feed (
    name TEXT PRIMARY KEY,
    format TEXT NOT NULL CHECK (format IN ('osv', 'cve', 'jvn', 'kev', 'epss')),
    tried_at BIGINT NOT NULL,
    failed TEXT NOT NULL,
    good_at BIGINT,
    digest TEXT NOT NULL,
    published TEXT NOT NULL,
    records BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    touched BIGINT NOT NULL
);

-- The catalogue of known exploited vulnerabilities.
CREATE TABLE vuln_exploited (
    cve TEXT PRIMARY KEY,
    added TEXT NOT NULL,
    name TEXT NOT NULL,
    ransomware BIGINT NOT NULL
);

-- A case: what several sources say of one vulnerability that touches, or touched, software here. Scores are millionths.
CREATE TABLE vuln_case (
    number BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    opened_at BIGINT NOT NULL,
    told_at BIGINT,
    closed_at BIGINT,
    score BIGINT,
    percentile BIGINT
);

-- What a source says; 'facts' is JSON.
CREATE TABLE vuln_advisory (
    source TEXT NOT NULL CHECK (source IN ('osv', 'cve', 'jvn')),
    id TEXT NOT NULL,
    case_number BIGINT NOT NULL REFERENCES vuln_case (number),
    seen_at BIGINT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (source, id)
);
CREATE INDEX vuln_advisory_case ON vuln_advisory (case_number);

-- What people did about a case, in order; rows are never changed. 'facts' is JSON.
CREATE TABLE vuln_step (
    number BIGINT PRIMARY KEY,
    case_number BIGINT NOT NULL REFERENCES vuln_case (number),
    step TEXT NOT NULL CHECK (step IN ('reported', 'planned', 'approved', 'ordered', 'accepted', 'tested', 'executed', 'verified', 'closed', 'excepted', 'shared', 'reopened')),
    at BIGINT NOT NULL,
    person BIGINT REFERENCES person (id),
    facts TEXT NOT NULL
);
CREATE INDEX vuln_step_case ON vuln_step (case_number);

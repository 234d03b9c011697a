-- Format 10: runbooks of incidents, and what was done from incidents. Owned by the room `directory`; 'incident_report' and
-- 'incident_reminder' by the room `governance`.

-- The kind had this name until it had a runbook; the trail's events keep it.
UPDATE incident SET kind = 'backscatter' WHERE kind = 'bounce-surge';

-- Each runbook that came into force, in order: of a kind, the one of the highest number is in force. 'text' is the file as it was, and
-- 'digest' is its BLAKE3, in hexadecimal.
CREATE TABLE runbook (
    number BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    digest TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('built-in', 'site')),
    since BIGINT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX runbook_kind ON runbook (kind, number);

-- The runbook that an incident goes by to its end.
CREATE TABLE incident_runbook (
    incident BIGINT PRIMARY KEY REFERENCES incident (number),
    runbook BIGINT NOT NULL REFERENCES runbook (number)
);

-- What people did from an incident, in order. 'lasts' is 1 of what stays in force until it is undone; whether it is still, the tables
-- tell that it is about.
CREATE TABLE incident_lever (
    incident BIGINT NOT NULL REFERENCES incident (number),
    number BIGINT NOT NULL,
    lever TEXT NOT NULL,
    target TEXT NOT NULL,
    lasts BIGINT NOT NULL CHECK (lasts IN (0, 1)),
    used_by BIGINT NOT NULL REFERENCES person (id),
    used_at BIGINT NOT NULL,
    PRIMARY KEY (incident, number)
);

-- The reports that were made of an incident: of its opening, and of its end.
CREATE TABLE incident_report (
    report BIGINT PRIMARY KEY REFERENCES report (number),
    incident BIGINT NOT NULL REFERENCES incident (number),
    what TEXT NOT NULL CHECK (what IN ('opened', 'closed'))
);
CREATE INDEX incident_report_of ON incident_report (incident);

-- When people were last told of steps of an incident that are late.
CREATE TABLE incident_reminder (
    incident BIGINT PRIMARY KEY REFERENCES incident (number),
    told_at BIGINT NOT NULL
);

-- Format 10: clauses at work: how each stands, what came round, who owes which task, and the documents that came of it. Owned by the
-- room `governance`.

-- How each check stood when it was last looked at. 'since' is when it came to that state, 'told_at' when an event last
-- told of it: at every change, and once a day.
CREATE TABLE standing (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('met', 'pending', 'unknown', 'not-met', 'not-adopted')),
    reason_ja TEXT NOT NULL,
    reason_en TEXT NOT NULL,
    facts TEXT NOT NULL,
    since BIGINT NOT NULL,
    told_at BIGINT NOT NULL
);

-- What comes round on a schedule: one row an item and period, so that it is done once, whoever looks. 'due_at' is when the period began,
-- 'run_at' when it was met with, 'missed' how many periods before it were not. The first row of an item only says from when on it comes round.
CREATE TABLE occasion (
    item TEXT NOT NULL,
    period TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    missed BIGINT NOT NULL,
    PRIMARY KEY (item, period)
);

-- Work that people owe. 'facts' is what was prepared when it was opened, 'answers' what was said when it was done: objects.
CREATE TABLE task (
    number BIGINT PRIMARY KEY,
    workflow TEXT NOT NULL,
    period TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    facts TEXT NOT NULL,
    answers TEXT,
    done_by BIGINT REFERENCES person (id),
    done_at BIGINT,
    closed_by BIGINT REFERENCES person (id),
    closed_at BIGINT,
    reminded_at BIGINT,
    CHECK ((done_by IS NULL) = (done_at IS NULL)),
    CHECK ((done_by IS NULL) = (answers IS NULL)),
    CHECK ((closed_by IS NULL) = (closed_at IS NULL)),
    CHECK (closed_at IS NULL OR done_at IS NOT NULL)
);
CREATE UNIQUE INDEX task_period ON task (workflow, period);

-- What became of a task, in order. Steps that the server takes by itself have no 'taken_by'.
CREATE TABLE task_step (
    task BIGINT NOT NULL REFERENCES task (number),
    step BIGINT NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('opened', 'reminded', 'escalated', 'done', 'approved', 'rejected')),
    taken_by BIGINT REFERENCES person (id),
    at BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (task, step)
);

-- Reports that clauses name: numbered, dated, to the holders of a role, one of whom acknowledges it. 'digest' is SHA-256 of 'text'.
CREATE TABLE report (
    number BIGINT PRIMARY KEY,
    task BIGINT REFERENCES task (number),
    to_role TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    digest TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    sent_at BIGINT,
    acknowledged_by BIGINT REFERENCES person (id),
    acknowledged_at BIGINT,
    CHECK ((acknowledged_by IS NULL) = (acknowledged_at IS NULL))
);

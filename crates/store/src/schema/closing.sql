-- Format 12: tasks that are closed by what is on record, and reports of cases and those that nobody could be sent. Owned by the room
-- `governance`.

-- Made anew, since a condition cannot be taken off a table; what belongs to a task finds it again before the end of the step. A task
-- that the server closed, since what it is about was done, has 'closed_at' and neither 'done_by' nor 'closed_by'.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE task_before AS SELECT * FROM task;
CREATE TABLE task_step_before AS SELECT * FROM task_step;
DROP TABLE task_step;
DROP TABLE task;
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
    CHECK (closed_by IS NULL OR closed_at IS NOT NULL),
    CHECK (closed_at IS NULL OR (closed_by IS NULL) = (done_by IS NULL))
);
INSERT INTO task SELECT * FROM task_before;
DROP TABLE task_before;
CREATE UNIQUE INDEX task_period ON task (workflow, period);

CREATE TABLE task_step (
    task BIGINT NOT NULL REFERENCES task (number),
    step BIGINT NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('opened', 'reminded', 'escalated', 'done', 'approved', 'rejected', 'settled')),
    taken_by BIGINT REFERENCES person (id),
    at BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (task, step)
);
INSERT INTO task_step SELECT * FROM task_step_before;
DROP TABLE task_step_before;

-- 'of_case' is the case of a vulnerability that a report is of, 'made_by' who did what it tells of; 'untold_at' when it was found that
-- nobody of its role could be sent it, 'reminded_at' when people were last told that nobody has acknowledged it.
ALTER TABLE report ADD COLUMN of_case BIGINT REFERENCES vuln_case (number);
ALTER TABLE report ADD COLUMN made_by BIGINT REFERENCES person (id);
ALTER TABLE report ADD COLUMN untold_at BIGINT;
ALTER TABLE report ADD COLUMN reminded_at BIGINT;
CREATE INDEX report_of_case ON report (of_case);

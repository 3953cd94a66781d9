-- A log as the first format of the file had it, with one run that was cancelled and one that finished.
PRAGMA application_id = 1400137061;
PRAGMA user_version = 1;
CREATE TABLE runs (
    run TEXT PRIMARY KEY,
    created_unix_ms INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    head_seq INTEGER NOT NULL,
    phase TEXT NOT NULL,
    queue_order INTEGER,
    preset TEXT NOT NULL,
    model TEXT NOT NULL,
    teacher TEXT NOT NULL,
    seed INTEGER NOT NULL,
    gap_closed_test REAL,
    prefix_text TEXT,
    spec TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX runs_queue ON runs (queue_order) WHERE queue_order IS NOT NULL;
CREATE TABLE events (
    run TEXT NOT NULL REFERENCES runs (run),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at_unix_ms INTEGER NOT NULL,
    progress_stage INTEGER,
    event TEXT NOT NULL,
    PRIMARY KEY (run, epoch, seq)
) STRICT;
CREATE TABLE commands (
    id TEXT PRIMARY KEY,
    at_unix_ms INTEGER NOT NULL,
    command TEXT NOT NULL,
    reply TEXT NOT NULL
) STRICT;
CREATE INDEX commands_age ON commands (at_unix_ms);
INSERT INTO runs VALUES (
    'old-cancelled', 1795000000000, 1, 2, 'cancelled', NULL, 'hybrid', 'smollm2-135m', 'Talk only about cats.', 7,
    NULL, NULL, '{"model":"smollm2-135m","teacher":"Talk only about cats.","seed":7,"stages":[]}'
), (
    'old-finished', 1795000001000, 2, 1, 'finished', NULL, 'hybrid', 'smollm2-135m', 'Answer in French.', -1,
    0.25, 'purr', '{"model":"smollm2-135m","teacher":"Answer in French.","seed":18446744073709551615,"stages":[]}'
);
INSERT INTO events VALUES
    ('old-cancelled', 1, 1, 1795000000000, NULL, '{"event":"stage_started","stage":0}'),
    ('old-cancelled', 1, 2, 1795000000500, NULL, '{"event":"cancelled"}'),
    ('old-finished', 2, 1, 1795000001000, NULL, '{"event":"stage_started","stage":0}');

-- SQLite and PostgreSQL run this same file. Ids are made by the program (UUIDv7 text), times are Unix
-- milliseconds, JSON is text.

CREATE TABLE conversations (
    id            TEXT   PRIMARY KEY,
    -- The cluster that it is about, by its configured name.
    cluster       TEXT   NOT NULL,
    -- Where it is held: the channel, the message or command that began it, and the thread once that is open.
    platform      TEXT   NOT NULL,
    channel       TEXT   NOT NULL,
    origin        TEXT   NOT NULL,
    thread        TEXT,
    -- Who does its turns, and who shows it; nobody posts what is followed in a terminal.
    turn_queue    TEXT   NOT NULL,
    deliver_queue TEXT,
    last_seq      BIGINT NOT NULL DEFAULT 0,
    active_at_ms  BIGINT NOT NULL
);
CREATE UNIQUE INDEX conversations_origin ON conversations (platform, origin);
CREATE UNIQUE INDEX conversations_thread ON conversations (platform, thread) WHERE thread IS NOT NULL;
CREATE INDEX conversations_active ON conversations (platform, active_at_ms);

CREATE TABLE events (
    conversation_id TEXT   NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    seq             BIGINT NOT NULL CHECK (seq > 0),
    at_ms           BIGINT NOT NULL,
    kind            TEXT   NOT NULL,
    body            TEXT   NOT NULL,
    -- The platform's id of the message that it came from: a message is taken in once, wherever it is seen again.
    source          TEXT,
    PRIMARY KEY (conversation_id, seq)
);
CREATE UNIQUE INDEX events_source ON events (source) WHERE source IS NOT NULL;

-- One row is one run of a lane. A retry is a new row: no row ever goes back a state. What is done is deleted.
CREATE TABLE jobs (
    id             TEXT   PRIMARY KEY,
    queue          TEXT   NOT NULL,
    lane           TEXT   NOT NULL,
    attempt        BIGINT NOT NULL CHECK (attempt > 0),
    state          TEXT   NOT NULL CHECK (state IN ('pending', 'running', 'failed')),
    run_at_ms      BIGINT NOT NULL,
    owner          TEXT,
    lease_until_ms BIGINT,
    error          TEXT,
    CHECK ((state = 'running') = (lease_until_ms IS NOT NULL)),
    CHECK ((state = 'running') = (owner IS NOT NULL)),
    CHECK ((state = 'failed') = (error IS NOT NULL))
);
CREATE UNIQUE INDEX jobs_one_pending_per_lane ON jobs (lane) WHERE state = 'pending';
CREATE UNIQUE INDEX jobs_one_running_per_lane ON jobs (lane) WHERE state = 'running';
CREATE INDEX jobs_ready ON jobs (queue, run_at_ms) WHERE state = 'pending';
CREATE INDEX jobs_leased ON jobs (lease_until_ms) WHERE state = 'running';

-- What a platform shows. A row without a remote id is a post that may or may not have been made.
CREATE TABLE posts (
    conversation_id TEXT   NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    post_key        TEXT   NOT NULL,
    remote_id       TEXT,
    digest          TEXT   NOT NULL,
    made_at_ms      BIGINT NOT NULL,
    shown_at_ms     BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, post_key)
);

-- The whole output of calls whose output was cut in the log.
CREATE TABLE artifacts (
    id              TEXT   PRIMARY KEY,
    conversation_id TEXT   NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    made_at_ms      BIGINT NOT NULL,
    text            TEXT   NOT NULL
);

-- What a person is told only once.
CREATE TABLE told (
    notice     TEXT   PRIMARY KEY,
    told_at_ms BIGINT NOT NULL
);

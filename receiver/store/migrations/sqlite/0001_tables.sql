-- Times are microseconds since 1970, `doc` is the record as JSON; what is searched or ordered by is a column too.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE submissions (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    client TEXT,
    stage TEXT NOT NULL,
    task_id TEXT,
    created_at INTEGER NOT NULL,
    ask_at INTEGER,
    search TEXT NOT NULL,
    doc TEXT NOT NULL,
    callbacks INTEGER NOT NULL DEFAULT 0,
    callback_bytes INTEGER NOT NULL DEFAULT 0,
    callbacks_dropped INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX submissions_by_time ON submissions (created_at, id);
CREATE INDEX submissions_by_task ON submissions (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX submissions_to_ask ON submissions (ask_at) WHERE ask_at IS NOT NULL;

CREATE TABLE callbacks (
    id TEXT PRIMARY KEY,
    submission_id TEXT NOT NULL REFERENCES submissions (id),
    sha256 TEXT NOT NULL,
    via TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    remark TEXT NOT NULL,
    UNIQUE (submission_id, sha256)
);

-- `seq` is the order of commits. `fact` is the stage that the event tells of: one event for each, for ever.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    level TEXT NOT NULL,
    submission_id TEXT,
    fact TEXT,
    rank INTEGER,
    provider TEXT,
    client TEXT,
    stage TEXT,
    received_at INTEGER NOT NULL,
    routed_at INTEGER,
    callback_id TEXT,
    search TEXT NOT NULL,
    doc TEXT NOT NULL,
    UNIQUE (submission_id, fact)
);
CREATE INDEX events_to_route ON events (seq) WHERE routed_at IS NULL;

-- `copy` is 0 for the first delivery of an event to a handler, 1 and up for those that somebody asked for again.
-- `cause` says why a delivery was discarded: `need` is revived by a late success, `superseded` is not.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id),
    event_type TEXT NOT NULL,
    submission_id TEXT,
    handler TEXT NOT NULL,
    copy INTEGER NOT NULL DEFAULT 0,
    rank INTEGER,
    state TEXT NOT NULL,
    waiting_for TEXT,
    cause TEXT,
    needs TEXT NOT NULL DEFAULT '[]',
    stop INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    due_at INTEGER,
    wait_until INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until INTEGER,
    probe INTEGER NOT NULL DEFAULT 0,
    progress TEXT,
    receipt TEXT,
    error TEXT,
    UNIQUE (event_id, handler, copy)
);
CREATE INDEX deliveries_due ON deliveries (handler, due_at) WHERE state = 'pending';
CREATE INDEX deliveries_running ON deliveries (handler, lease_until) WHERE state = 'running';
CREATE INDEX deliveries_in_need ON deliveries (wait_until) WHERE waiting_for = 'need';
CREATE INDEX deliveries_paused ON deliveries (handler, created_at) WHERE waiting_for = 'pause';
CREATE INDEX deliveries_by_submission ON deliveries (submission_id, handler);
CREATE INDEX deliveries_by_time ON deliveries (created_at, id);
CREATE INDEX deliveries_by_state ON deliveries (state, created_at, id);

CREATE TABLE attempts (
    delivery_id TEXT NOT NULL REFERENCES deliveries (id),
    number INTEGER NOT NULL,
    handler TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    outcome TEXT NOT NULL,
    error TEXT,
    PRIMARY KEY (delivery_id, number)
);
CREATE INDEX attempts_by_handler ON attempts (handler, started_at);

-- `told` says that the event of this pause went out: what met it first may have had none.
CREATE TABLE handlers (
    name TEXT PRIMARY KEY,
    paused_at INTEGER NOT NULL,
    reason TEXT,
    probe_at INTEGER,
    probes INTEGER NOT NULL,
    told INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE memory (
    handler TEXT NOT NULL,
    submission_id TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (handler, submission_id)
);

CREATE TABLE files (
    id TEXT PRIMARY KEY,
    handler TEXT NOT NULL,
    submission_id TEXT,
    result_id TEXT NOT NULL,
    role TEXT NOT NULL,
    key TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    media_type TEXT NOT NULL,
    link TEXT NOT NULL
);
CREATE INDEX files_by_submission ON files (submission_id);

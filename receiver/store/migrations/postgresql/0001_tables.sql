-- Times are microseconds since 1970, `doc` is the record as JSON; what is searched or ordered by is a column too.
-- Documents are text: JSON types refuse what providers send (a NUL, half a surrogate). Text is ordered by its bytes.

-- As SQLite has it: the items of a list by their places, or those of an object by their names.
CREATE FUNCTION json_each(given TEXT) RETURNS TABLE (key TEXT, value TEXT)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 20 AS $$
    SELECT (place - 1)::text, item FROM json_array_elements_text(
        CASE WHEN json_typeof(given::json) = 'array' THEN given::json ELSE '[]' END) WITH ORDINALITY AS items (item, place)
    UNION ALL SELECT name, item FROM json_each_text(
        CASE WHEN json_typeof(given::json) = 'object' THEN given::json ELSE '{}' END) AS items (name, item)
$$;

CREATE TABLE submissions (
    id TEXT COLLATE "C" PRIMARY KEY,
    provider TEXT COLLATE "C" NOT NULL,
    client TEXT COLLATE "C",
    stage TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    ask_at BIGINT,
    labels TEXT,
    search TEXT NOT NULL,
    doc TEXT NOT NULL,
    callbacks BIGINT NOT NULL DEFAULT 0,
    callback_bytes BIGINT NOT NULL DEFAULT 0,
    callbacks_dropped BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX submissions_by_time ON submissions (created_at, id);
CREATE INDEX submissions_by_task ON submissions (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX submissions_to_ask ON submissions (ask_at) WHERE ask_at IS NOT NULL;

-- `pruned_at`: when a callback lost its body, or an event all but its id and its fact; the rows stay.
CREATE TABLE callbacks (
    id TEXT COLLATE "C" PRIMARY KEY,
    submission_id TEXT COLLATE "C" NOT NULL REFERENCES submissions (id),
    sha256 TEXT COLLATE "C" NOT NULL,
    via TEXT COLLATE "C" NOT NULL,
    headers TEXT NOT NULL,
    body BYTEA NOT NULL,
    received_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    count BIGINT NOT NULL,
    remark TEXT NOT NULL,
    pruned_at BIGINT,
    UNIQUE (submission_id, sha256)
);
CREATE INDEX callbacks_to_prune ON callbacks (received_at, id) WHERE pruned_at IS NULL;

-- `fact` is the stage that the event tells of: one event for each, for ever. `xid` is the transaction that wrote it:
-- numbers are given out before their commits, so whoever follows waits until no earlier transaction is under way.
CREATE TABLE events (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid BIGINT NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    type TEXT COLLATE "C" NOT NULL,
    level TEXT COLLATE "C" NOT NULL,
    submission_id TEXT COLLATE "C",
    fact TEXT COLLATE "C",
    rank BIGINT,
    provider TEXT COLLATE "C",
    client TEXT COLLATE "C",
    stage TEXT COLLATE "C",
    received_at BIGINT NOT NULL,
    routed_at BIGINT,
    callback_id TEXT COLLATE "C",
    via TEXT COLLATE "C",
    about TEXT COLLATE "C",
    delivery_id TEXT COLLATE "C",
    labels TEXT,
    search TEXT NOT NULL,
    doc TEXT NOT NULL,
    pruned_at BIGINT,
    UNIQUE (submission_id, fact)
) WITH (fillfactor = 90);
CREATE INDEX events_to_route ON events (seq) WHERE routed_at IS NULL;
CREATE INDEX events_by_commit ON events (xid, seq);
CREATE INDEX events_to_prune ON events (received_at, seq) WHERE pruned_at IS NULL;
CREATE INDEX events_by_delivery ON events (delivery_id) WHERE delivery_id IS NOT NULL;

-- `copy` is 0 for the first delivery of an event to a handler, 1 and up for those that somebody asked for again.
-- `cause` says why a delivery was discarded: `need` is revived by a late success, `superseded` is not.
-- `bare`: its last attempt went without the receipt of a handler that it needs. `handed_on`: the fallback has its event.
CREATE TABLE deliveries (
    id TEXT COLLATE "C" PRIMARY KEY,
    event_id TEXT COLLATE "C" NOT NULL REFERENCES events (id),
    event_type TEXT COLLATE "C" NOT NULL,
    submission_id TEXT COLLATE "C",
    handler TEXT COLLATE "C" NOT NULL,
    copy BIGINT NOT NULL DEFAULT 0,
    rank BIGINT,
    state TEXT COLLATE "C" NOT NULL,
    waiting_for TEXT COLLATE "C",
    cause TEXT COLLATE "C",
    needs TEXT NOT NULL DEFAULT '[]',
    stop BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL,
    due_at BIGINT,
    wait_until BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    owner TEXT COLLATE "C",
    lease_until BIGINT,
    probe BOOLEAN NOT NULL DEFAULT FALSE,
    bare BOOLEAN NOT NULL DEFAULT FALSE,
    handed_on BOOLEAN NOT NULL DEFAULT FALSE,
    progress TEXT,
    receipt TEXT,
    error TEXT,
    UNIQUE (event_id, handler, copy)
) WITH (fillfactor = 70);
CREATE INDEX deliveries_due ON deliveries (handler, due_at) WHERE state = 'pending';
CREATE INDEX deliveries_running ON deliveries (handler, lease_until) WHERE state = 'running';
CREATE INDEX deliveries_in_need ON deliveries (wait_until) WHERE waiting_for = 'need';
CREATE INDEX deliveries_paused ON deliveries (handler, created_at) WHERE waiting_for = 'pause';
CREATE INDEX deliveries_to_hand_on ON deliveries (handler, created_at) WHERE waiting_for = 'pause' AND NOT handed_on;
CREATE INDEX deliveries_by_submission ON deliveries (submission_id, handler);
CREATE INDEX deliveries_by_time ON deliveries (created_at, id);
CREATE INDEX deliveries_by_state ON deliveries (state, created_at, id);

CREATE TABLE attempts (
    delivery_id TEXT COLLATE "C" NOT NULL REFERENCES deliveries (id),
    number BIGINT NOT NULL,
    handler TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    outcome TEXT COLLATE "C" NOT NULL,
    error TEXT,
    PRIMARY KEY (delivery_id, number)
);
CREATE INDEX attempts_by_handler ON attempts (handler, started_at);

-- `told` says that the event of this pause went out: what met it first may have had none.
CREATE TABLE handlers (
    name TEXT COLLATE "C" PRIMARY KEY,
    paused_at BIGINT NOT NULL,
    reason TEXT,
    probe_at BIGINT,
    probes BIGINT NOT NULL,
    told BOOLEAN NOT NULL DEFAULT FALSE
);

CREATE TABLE memory (
    handler TEXT COLLATE "C" NOT NULL,
    submission_id TEXT COLLATE "C" NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (handler, submission_id)
);

CREATE TABLE files (
    id TEXT COLLATE "C" PRIMARY KEY,
    handler TEXT COLLATE "C" NOT NULL,
    submission_id TEXT COLLATE "C",
    result_id TEXT NOT NULL,
    role TEXT NOT NULL,
    key TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    media_type TEXT NOT NULL,
    link TEXT NOT NULL
);
CREATE INDEX files_by_submission ON files (submission_id);

-- What a client calls its request, so that it can be repeated: the first answer, or NULL as long as there is none.
CREATE TABLE keys (
    client TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    digest TEXT NOT NULL,
    submission_id TEXT COLLATE "C" NOT NULL REFERENCES submissions (id),
    created_at BIGINT NOT NULL,
    status BIGINT,
    headers TEXT,
    body BYTEA,
    PRIMARY KEY (client, provider, key)
);
CREATE INDEX keys_by_time ON keys (created_at);
CREATE INDEX keys_by_submission ON keys (submission_id);

-- Who runs on this database. `steady_at`: since when it is seen without a break; `ended_at`: it ended in peace.
CREATE TABLE processes (
    id TEXT COLLATE "C" PRIMARY KEY,
    host TEXT NOT NULL,
    does_web BOOLEAN NOT NULL,
    does_work BOOLEAN NOT NULL,
    started_at BIGINT NOT NULL,
    steady_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    ended_at BIGINT
);

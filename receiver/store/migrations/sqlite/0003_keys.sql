-- Runs with: 1
-- What a client calls its request, so that it can be repeated: the first answer, or NULL as long as there is none.
CREATE TABLE keys (
    client TEXT NOT NULL,
    provider TEXT NOT NULL,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,
    submission_id TEXT NOT NULL REFERENCES submissions (id),
    created_at INTEGER NOT NULL,
    status INTEGER,
    headers TEXT,
    body BLOB,
    PRIMARY KEY (client, provider, key)
);
CREATE INDEX keys_by_time ON keys (created_at);
CREATE INDEX keys_by_submission ON keys (submission_id);

-- Runs with: 1
-- Who runs on this database. `steady_at`: since when it is seen without a break; `ended_at`: it ended in peace.
CREATE TABLE processes (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    does_web INTEGER NOT NULL,
    does_work INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    steady_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ended_at INTEGER
);

-- Runs with: 1
-- `pruned_at`: when a callback lost its body, or an event all but its id and its fact. The rows stay: what came once is
-- known for ever.
ALTER TABLE callbacks ADD COLUMN pruned_at INTEGER;
ALTER TABLE events ADD COLUMN pruned_at INTEGER;
CREATE INDEX callbacks_to_prune ON callbacks (received_at, id, pruned_at) WHERE pruned_at IS NULL;
CREATE INDEX events_to_prune ON events (received_at, seq, pruned_at) WHERE pruned_at IS NULL;

-- Runs with: 1
-- `bare`: its last attempt went without the receipt of a handler that it needs. `handed_on`: the fallback has its event.
ALTER TABLE deliveries ADD COLUMN bare INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN handed_on INTEGER NOT NULL DEFAULT 0;
CREATE INDEX deliveries_to_hand_on ON deliveries (handler, created_at) WHERE waiting_for = 'pause' AND NOT handed_on;

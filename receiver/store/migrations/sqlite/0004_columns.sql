-- Runs with: 1
-- What statements look for stands in columns, not in documents. `delivery_id`: the delivery that an alarm tells of.
ALTER TABLE submissions ADD COLUMN labels TEXT;
ALTER TABLE events ADD COLUMN labels TEXT;
ALTER TABLE events ADD COLUMN via TEXT;
ALTER TABLE events ADD COLUMN about TEXT;
ALTER TABLE events ADD COLUMN delivery_id TEXT;
UPDATE submissions SET labels = json_extract(doc, '$.labels');
UPDATE events SET labels = json_extract(doc, '$.labels'), via = json_extract(doc, '$.via'),
    about = json_extract(doc, '$.about');
UPDATE events SET delivery_id = json_extract(doc, '$.raw.delivery_id') WHERE type = 'file.expiring';
CREATE INDEX events_by_delivery ON events (delivery_id) WHERE delivery_id IS NOT NULL;

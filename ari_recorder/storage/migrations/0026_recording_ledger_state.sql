-- That its call is not in order stands with each recording, as that it was flagged does: one index then knows the newest
-- of those, however many there are.
ALTER TABLE recording ADD COLUMN ledger_state ledger_state NOT NULL DEFAULT 'recorded';
UPDATE recording SET ledger_state = call.ledger_state FROM call
    WHERE call.id = call_id AND call.ledger_state <> 'recorded';
CREATE INDEX recording_not_in_order ON recording (ledger_state, started_at DESC, id DESC)
    WHERE state = 'sealed' AND ledger_state <> 'recorded';

-- Callers found by number without a number being here, and the health of sealed files.

ALTER TABLE call
    -- HMAC of the caller's number (E.164) under the index key of that version.
    ADD COLUMN caller_index bytea,
    ADD COLUMN caller_index_version integer,
    ADD CHECK ((caller_index IS NULL) = (caller_index_version IS NULL)),
    ADD CHECK (forgotten_at IS NULL OR caller_index IS NULL);

CREATE INDEX call_by_caller ON call (caller_index) WHERE caller_index IS NOT NULL;
CREATE INDEX call_by_index_version ON call (caller_index_version, id) WHERE personal IS NOT NULL;

ALTER TABLE recording
    -- When a part of the file, and when all of it, was last read and found whole. Sealing ends with reading all of it.
    ADD COLUMN scrubbed_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN verified_at timestamptz NOT NULL DEFAULT now(),
    -- What the last look found wrong.
    ADD COLUMN damage text;

CREATE INDEX recording_to_scrub ON recording (scrubbed_at) WHERE state = 'sealed';
CREATE INDEX recording_to_verify ON recording (verified_at) WHERE state = 'sealed';
CREATE INDEX recording_damaged ON recording (id) WHERE damage IS NOT NULL;
CREATE INDEX recording_sealed_began ON recording (started_at) WHERE state = 'sealed';

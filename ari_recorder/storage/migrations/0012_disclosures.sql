-- Recordings given out of the house: what was asked for, and the log of what really went out.
-- Values of the enums are those of the Python enums of the same names.

CREATE TYPE receiver_kind AS ENUM ('person-concerned', 'police', 'court', 'authority', 'other');
CREATE TYPE disclosure_end AS ENUM ('complete', 'broken-off', 'right-ended', 'recording-gone', 'failed', 'lost');

-- An export that is not over. Its second person's agreement has the same id in `approval`. The row goes when it is over.
CREATE TABLE export_ask (
    id uuid PRIMARY KEY,
    recording_id uuid NOT NULL REFERENCES recording,
    receiver_kind receiver_kind NOT NULL,
    reference text NOT NULL,
    -- Who gets it and why, in call_text: sealed, and gone when the call is forgotten.
    text_id uuid NOT NULL,
    asked_at timestamptz NOT NULL,
    asked_by uuid NOT NULL,
    asked_by_name text NOT NULL,
    -- While it is sent: who does it, by what right, for the entry of the audit log when nobody is there any more; and how
    -- many bytes were let out. On record before they are sent.
    actor jsonb,
    active_at timestamptz,
    sent_bytes bigint NOT NULL DEFAULT 0,
    CHECK ((actor IS NULL) = (active_at IS NULL)),
    CHECK (actor IS NOT NULL OR sent_bytes = 0)
);

CREATE INDEX export_ask_of_recording ON export_ask (recording_id);

-- One row for each time a recording was given out, committed before its first byte. It stays when the recording has gone,
-- and names nobody outside the house: who got it and why is in call_text.
CREATE TABLE disclosure (
    id uuid PRIMARY KEY,
    recording_id uuid NOT NULL REFERENCES recording,
    asked_at timestamptz NOT NULL,
    begun_at timestamptz NOT NULL,
    user_id uuid NOT NULL,
    user_name text NOT NULL,
    -- NULL where the settings want no second person.
    approved_by uuid,
    approved_by_name text NOT NULL,
    receiver_kind receiver_kind NOT NULL,
    reference text NOT NULL,
    text_id uuid NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    CONSTRAINT disclosed_by_two CHECK (approved_by <> user_id)
);

CREATE INDEX disclosure_of_recording ON disclosure (recording_id, begun_at DESC);
CREATE INDEX disclosure_newest ON disclosure (begun_at DESC, id);

-- How it ended. The hash is over the bytes that were sent; NULL when the service died meanwhile.
CREATE TABLE disclosure_sent (
    disclosure_id uuid PRIMARY KEY REFERENCES disclosure,
    ended_at timestamptz NOT NULL,
    because disclosure_end NOT NULL,
    sent_bytes bigint NOT NULL CHECK (sent_bytes >= 0),
    sha256 bytea CHECK (length(sha256) = 32)
);

CREATE FUNCTION disclosure_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was given out is added, never changed';
END $$;

CREATE TRIGGER disclosure_stays BEFORE UPDATE OR DELETE ON disclosure FOR EACH ROW EXECUTE FUNCTION disclosure_stays();
CREATE TRIGGER disclosure_stays_whole BEFORE TRUNCATE ON disclosure EXECUTE FUNCTION disclosure_stays();
CREATE TRIGGER disclosure_sent_stays BEFORE UPDATE OR DELETE ON disclosure_sent
    FOR EACH ROW EXECUTE FUNCTION disclosure_stays();
CREATE TRIGGER disclosure_sent_stays_whole BEFORE TRUNCATE ON disclosure_sent EXECUTE FUNCTION disclosure_stays();

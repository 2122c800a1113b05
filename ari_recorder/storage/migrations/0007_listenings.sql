-- Who listens to what and why, texts about a call that die with it, corrections, saved filters, and what searching needs.
-- Values of the enums are those of the Python enums of the same names.

CREATE TYPE purpose AS ENUM ('adviser-safety', 'quality', 'subject-request', 'other');
CREATE TYPE listening_end AS ENUM ('closed', 'idle', 'right-ended', 'recording-gone');
CREATE TYPE correctable AS ENUM ('caller-number', 'caller-name', 'agent', 'queue-meaning', 'note');

-- What people typed about a call: sealed to the key that its caller is sealed to. Gone when the call is forgotten.
CREATE TABLE call_text (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES call,
    sealed bytea NOT NULL,
    key_name text NOT NULL
);

CREATE INDEX call_text_of_call ON call_text (call_id);
CREATE INDEX call_text_of_key ON call_text (key_name, id);

CREATE TABLE listening (
    id uuid PRIMARY KEY,
    recording_id uuid NOT NULL REFERENCES recording,
    user_id uuid NOT NULL,
    user_name text NOT NULL,
    session text NOT NULL,
    -- Who it was, by what right: for the entry of the audit log that comes when nobody is there any more. Then it goes.
    actor jsonb,
    purpose purpose NOT NULL,
    reference text NOT NULL,
    -- What was said in words, in call_text.
    text_id uuid,
    begun_at timestamptz NOT NULL,
    active_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_because listening_end,
    -- Bytes of the audio: `sent` is in the audit log, `untold` is not yet. On record before they are sent.
    size_bytes bigint,
    sent int8multirange NOT NULL DEFAULT '{}',
    untold int8multirange NOT NULL DEFAULT '{}',
    -- With what was sent twice counted twice.
    sent_bytes bigint NOT NULL DEFAULT 0,
    untold_bytes bigint NOT NULL DEFAULT 0,
    CHECK ((ended_at IS NULL) = (ended_because IS NULL)),
    CHECK ((untold_bytes = 0) = isempty(untold))
);

CREATE INDEX listening_of_recording ON listening (recording_id, begun_at DESC);
CREATE INDEX listening_of_user ON listening (user_id, begun_at DESC);
CREATE INDEX listening_open ON listening (active_at) WHERE ended_at IS NULL OR untold_bytes > 0;

-- Versions are added, never changed. The words are in call_text, and gone when the call is forgotten.
CREATE TABLE correction (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES call,
    recording_id uuid NOT NULL REFERENCES recording,
    field correctable NOT NULL,
    -- Which one: the Uniqueid of the member corrected, the number of a note.
    subject text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    -- Where a note belongs in the audio of its recording.
    audio_offset interval,
    text_id uuid NOT NULL,
    made_at timestamptz NOT NULL,
    made_by uuid NOT NULL,
    made_by_name text NOT NULL,
    UNIQUE (call_id, field, subject, version)
);

CREATE FUNCTION correction_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'corrections are added, never changed';
END $$;

CREATE TRIGGER correction_stays BEFORE UPDATE OR DELETE ON correction FOR EACH ROW EXECUTE FUNCTION correction_stays();
CREATE TRIGGER correction_stays_whole BEFORE TRUNCATE ON correction EXECUTE FUNCTION correction_stays();

-- No number of a caller is in it.
CREATE TABLE saved_filter (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    name text NOT NULL,
    filter jsonb NOT NULL,
    saved_at timestamptz NOT NULL,
    UNIQUE (user_id, name)
);

-- The newest of a queue, of all, and of what is rare among many.
CREATE INDEX recording_sealed_newest ON recording (started_at DESC, id DESC) WHERE state = 'sealed';
CREATE INDEX recording_sealed_of_queue ON recording (queue, started_at DESC, id DESC) WHERE state = 'sealed';
CREATE INDEX recording_kept ON recording (started_at DESC, id DESC) WHERE keeps > 0;
CREATE INDEX recording_sealed_length ON recording (duration) WHERE state = 'sealed';
-- That the call was flagged stands with its recordings too: one index then knows the newest of a queue.
ALTER TABLE recording ADD COLUMN flagged boolean NOT NULL DEFAULT false;
UPDATE recording SET flagged = true FROM call WHERE call.id = call_id AND call.flagged;
CREATE INDEX recording_flagged ON recording (queue, started_at DESC, id DESC) WHERE state = 'sealed' AND flagged;
CREATE INDEX call_not_in_order ON call (ledger_state, id) WHERE ledger_state <> 'recorded';

-- The agents of a call by interface and name, in small letters. An array, because PostgreSQL knows how often each of its
-- words occurs: a busy agent's calls are found going back in time, a rare one's by the index.
CREATE FUNCTION agents_of(members jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT lower(word)), '{}')
    FROM jsonb_array_elements(members) AS member,
        LATERAL (VALUES (member ->> 'interface'), (member ->> 'name')) AS called (word)
    WHERE word <> ''
$$;

ALTER TABLE call ADD COLUMN agents text[] NOT NULL GENERATED ALWAYS AS (agents_of(members)) STORED;
CREATE INDEX call_by_agent ON call USING gin (agents);

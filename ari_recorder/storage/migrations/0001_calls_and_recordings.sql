-- Calls, and the recordings that were sealed of them. Values of the enums are those of the Python enums of the same names.

CREATE TYPE call_state AS ENUM ('announcing', 'waiting', 'talking', 'ended');
CREATE TYPE ledger_state AS ENUM ('recorded', 'not_recorded', 'unexplained', 'pending');
CREATE TYPE end_reason AS ENUM (
    'hangup', 'transferred', 'left-organisation', 'queue-not-recorded', 'stopped-by-others', 'ended-unseen', 'refused', 'no-evidence'
);
CREATE TYPE started_by AS ENUM ('service', 'dialplan');
CREATE TYPE stored_state AS ENUM ('sealed', 'erasing', 'erased');

CREATE TABLE call (
    id uuid PRIMARY KEY,
    system_name text NOT NULL,
    uniqueid text NOT NULL,
    linkedid text NOT NULL,
    -- Grows with every change of the call: an older snapshot that arrives late does not win.
    progress integer NOT NULL,
    state call_state NOT NULL,
    number text NOT NULL,
    queue text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    joined_at timestamptz,
    connected_at timestamptz,
    ended_at timestamptz,
    refused_at timestamptz,
    abandoned boolean NOT NULL,
    end_reason end_reason,
    hold_time interval,
    talk_time interval NOT NULL,
    members jsonb NOT NULL,
    marks jsonb NOT NULL,
    evidence jsonb,
    evidence_problem text NOT NULL,
    flagged boolean NOT NULL,
    ledger_state ledger_state NOT NULL,
    ledger_reason text NOT NULL,
    -- Number and name of the caller, sealed by the vault.
    personal bytea,
    -- When caller, members and marks were removed for good.
    forgotten_at timestamptz,
    UNIQUE (system_name, uniqueid),
    CHECK (forgotten_at IS NULL OR (personal IS NULL AND members = '[]' AND marks = '[]'))
);

CREATE INDEX call_of_day ON call (coalesce(joined_at, first_seen_at));
CREATE INDEX call_to_forget ON call (queue, first_seen_at) WHERE forgotten_at IS NULL;

CREATE TABLE recording (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES call,
    segment integer NOT NULL,
    state stored_state NOT NULL,
    queue text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    started_by started_by NOT NULL,
    end_reason end_reason,
    late boolean NOT NULL,
    clock_at_start interval NOT NULL,
    duration interval,
    sealed_bytes bigint,
    sha256 bytea,
    path text,
    wrapped_key bytea,
    sides jsonb,
    erasing_at timestamptz,
    erased_at timestamptz,
    erased_because text,
    CHECK ((state = 'sealed') = (erasing_at IS NULL AND erased_because IS NULL)),
    CHECK (state <> 'sealed' OR (path IS NOT NULL AND wrapped_key IS NOT NULL AND sha256 IS NOT NULL)),
    CHECK ((state = 'erased') = (erased_at IS NOT NULL)),
    -- The tombstone: no key, no way to a file, nothing about the voices.
    CHECK (state <> 'erased' OR (path IS NULL AND wrapped_key IS NULL AND sides IS NULL))
);

CREATE INDEX recording_of_call ON recording (call_id);
CREATE INDEX recording_newest ON recording (started_at DESC, id DESC);
CREATE INDEX recording_due ON recording (queue, started_at, id) WHERE state = 'sealed';
CREATE INDEX recording_erasing ON recording (id) WHERE state = 'erasing';

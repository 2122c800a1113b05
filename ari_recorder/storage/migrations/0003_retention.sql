-- What keeps recordings longer, and what is left to show when they are gone: holds, freezes of subject requests, decisions
-- on flagged calls, versions of the retention rules, runs of the sweep, certificates of destruction.
-- Values of the enums are those of the Python enums of the same names.

CREATE TYPE threat_decision AS ENUM ('hold', 'not-a-threat');
CREATE TYPE policy_state AS ENUM ('proposed', 'in-force', 'withdrawn');
CREATE TYPE sweep_state AS ENUM ('running', 'done', 'failed', 'refused', 'confirmed');
CREATE TYPE certificate_kind AS ENUM ('recording', 'day');

ALTER TABLE call
    -- What a supervisor decided on a flagged call.
    ADD COLUMN decision threat_decision,
    ADD COLUMN decided_at timestamptz,
    ADD COLUMN decided_by text,
    ADD CHECK ((decision IS NULL) = (decided_at IS NULL));

ALTER TABLE recording
    -- How many holds and freezes keep it.
    ADD COLUMN keeps integer NOT NULL DEFAULT 0 CHECK (keeps >= 0),
    -- What was removed with it, for its certificate.
    ADD COLUMN erased_copies text[],
    ADD COLUMN certified boolean NOT NULL DEFAULT false,
    -- A hold and a deletion never both succeed, whoever forgets to ask.
    ADD CONSTRAINT what_is_held_is_not_erased CHECK (state = 'sealed' OR keeps = 0);

DROP INDEX recording_due;
CREATE INDEX recording_due ON recording (queue, started_at, id) WHERE state = 'sealed' AND keeps = 0;
CREATE INDEX recording_uncertified ON recording (erased_at, id) WHERE state = 'erased' AND NOT certified;
CREATE INDEX call_undecided ON call (first_seen_at) WHERE flagged AND decision IS NULL AND forgotten_at IS NULL;

CREATE TABLE hold (
    id uuid PRIMARY KEY,
    -- Reference, owner and reason go when the last of its recordings has gone.
    reference text NOT NULL,
    owner text NOT NULL,
    reason bytea,  -- sealed
    reason_key_name text,  -- to this hold key
    placed_at timestamptz NOT NULL,
    placed_by text NOT NULL,
    review_on date NOT NULL,
    released_at timestamptz,
    released_by text,
    CHECK ((released_at IS NULL) = (released_by IS NULL))
);

CREATE TABLE request_freeze (
    id uuid PRIMARY KEY,
    reference text NOT NULL,
    opened_at timestamptz NOT NULL,
    opened_by text NOT NULL,
    closed_at timestamptz,
    closed_by text,
    CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);

-- Which recordings a hold or a freeze keeps. `recording.keeps` counts those that have not ended.
CREATE TABLE keeping (
    keeper uuid NOT NULL,  -- of a hold or a freeze
    recording_id uuid NOT NULL REFERENCES recording,
    since timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (keeper, recording_id)
);

CREATE INDEX keeping_of_recording ON keeping (recording_id);

-- The day on which somebody was last reminded of a hold or of a flagged call.
CREATE TABLE reminder (
    subject uuid PRIMARY KEY,
    last_on date NOT NULL
);

CREATE TABLE policy (
    version integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state policy_state NOT NULL,
    rules jsonb NOT NULL,
    proposed_at timestamptz NOT NULL,
    in_force_from timestamptz,
    confirmed_by text,
    CHECK ((state = 'in-force') = (in_force_from IS NOT NULL))
);

CREATE UNIQUE INDEX policy_one_proposed ON policy (state) WHERE state = 'proposed';

CREATE TABLE sweep_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state sweep_state NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    -- The clocks then: domain/clock.py.
    database_at timestamptz NOT NULL,
    boot_id uuid NOT NULL,
    booted_at timestamptz NOT NULL,
    erased bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    forgotten_calls bigint NOT NULL DEFAULT 0,
    because text NOT NULL DEFAULT '',
    CHECK (state = 'running' OR finished_at IS NOT NULL)
);

CREATE INDEX sweep_run_of_boot ON sweep_run (boot_id, id) WHERE state <> 'refused';

-- Day keys: the row comes before the key goes, so that nothing is wrapped to a key that is about to go.
CREATE TABLE destroyed_key (
    name text PRIMARY KEY,
    day date NOT NULL,
    because text NOT NULL,
    destroying_at timestamptz NOT NULL,
    destroyed_at timestamptz,
    certified boolean NOT NULL DEFAULT false
);

CREATE TABLE certificate (
    subject text PRIMARY KEY,  -- a recording's id, or the name of a day's key
    kind certificate_kind NOT NULL,
    issued_at timestamptz NOT NULL,
    body text NOT NULL,        -- the bytes that were signed, as UTF-8
    signature bytea NOT NULL,
    signed_by text NOT NULL    -- the id of the key
);

CREATE INDEX certificate_newest ON certificate (issued_at DESC, subject);

-- Copies in clear that somebody had made with `recordings export`, as long as they are known to be where they were written.
CREATE TABLE export (
    recording_id uuid NOT NULL REFERENCES recording,
    path text NOT NULL,
    host text NOT NULL,
    device bigint NOT NULL,
    inode bigint NOT NULL,
    exported_at timestamptz NOT NULL,
    PRIMARY KEY (recording_id, path, host)
);

-- Mail that is to be sent, what needs a second person, and how the use of recordings is looked at.
-- Values of the enums are those of the Python enums of the same names.

CREATE TYPE approval_kind AS ENUM ('hold-release', 'export');
CREATE TYPE approval_state AS ENUM ('asked', 'approved', 'refused', 'spent', 'expired');
CREATE TYPE touch_kind AS ENUM ('listening', 'export', 'search', 'view');
CREATE TYPE verdict AS ENUM ('in-order', 'to-be-clarified');

-- Letters. There is nothing about callers in them.
CREATE TABLE outbox (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL,
    once text NOT NULL,             -- the occasion
    recipient text NOT NULL,
    language text NOT NULL,
    path text NOT NULL,
    facts jsonb NOT NULL,
    queued_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    try_at timestamptz NOT NULL,
    sent_at timestamptz,
    given_up_at timestamptz,
    trouble text NOT NULL DEFAULT '',
    UNIQUE (recipient, once)
);

CREATE INDEX outbox_waiting ON outbox (try_at) WHERE sent_at IS NULL AND given_up_at IS NULL;

-- What one person asked for and another one allows. It is used once.
CREATE TABLE approval (
    id uuid PRIMARY KEY,
    kind approval_kind NOT NULL,
    subject text NOT NULL,          -- hold:<uuid>, recording:<uuid>
    state approval_state NOT NULL,
    why text NOT NULL,              -- until it is over
    asked_at timestamptz NOT NULL,
    asked_by uuid NOT NULL REFERENCES account,
    expires_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by uuid REFERENCES account,
    spent_at timestamptz,
    -- Whatever a program forgets: it takes two.
    CONSTRAINT two_persons CHECK (decided_by <> asked_by),
    CHECK ((decided_at IS NULL) = (decided_by IS NULL)),
    CHECK ((state IN ('approved', 'refused', 'spent')) <= (decided_by IS NOT NULL)),
    CHECK ((state = 'spent') = (spent_at IS NOT NULL))
);

CREATE UNIQUE INDEX approval_open ON approval (kind, subject) WHERE state IN ('asked', 'approved');

-- The users' own numbers, as the blind index that callers have. The numbers themselves are nowhere.
CREATE TABLE own_number (
    account_id uuid NOT NULL REFERENCES account,
    number_index bytea NOT NULL,
    index_version integer NOT NULL,
    added_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, number_index)
);

CREATE INDEX own_number_by_index ON own_number (number_index);

-- What people did with recordings since the last report, read out of the audit log. Emptied when a week is reported.
CREATE TABLE use_touch (
    seq bigint PRIMARY KEY,
    entry_id uuid NOT NULL,
    at timestamptz NOT NULL,
    kind touch_kind NOT NULL,
    refused boolean NOT NULL,
    actor text NOT NULL,
    unit text NOT NULL,
    recording_id uuid,
    queue text,
    because text NOT NULL,
    caller_index bytea,
    own_number boolean NOT NULL,
    colleague_number boolean NOT NULL
);

CREATE INDEX use_touch_at ON use_touch (at);

-- One row: up to which entry the log was read.
CREATE TABLE use_cursor (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    next_seq bigint NOT NULL
);

INSERT INTO use_cursor (next_seq) VALUES (0);

CREATE TABLE use_report (
    week date PRIMARY KEY CHECK (extract(isodow FROM week) = 1),
    made_at timestamptz NOT NULL,
    -- With it anybody draws the same sample again.
    seed bytea NOT NULL CHECK (length(seed) = 32),
    read_up_to bigint NOT NULL,     -- entry of the audit log
    due_on date NOT NULL
);

CREATE TABLE use_row (
    week date NOT NULL REFERENCES use_report,
    actor text NOT NULL,
    unit text NOT NULL,
    listenings integer NOT NULL,
    exports integer NOT NULL,
    searches integer NOT NULL,
    views integer NOT NULL,
    refused integer NOT NULL,
    out_of_hours integer NOT NULL,
    findings jsonb NOT NULL,
    PRIMARY KEY (week, actor, unit)
);

CREATE INDEX use_row_of_actor ON use_row (actor, week);

-- Listenings that somebody else looks at again.
CREATE TABLE use_sample (
    id uuid PRIMARY KEY,
    week date NOT NULL REFERENCES use_report,
    seq bigint NOT NULL UNIQUE,
    entry_id uuid NOT NULL UNIQUE,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    unit text NOT NULL,
    recording_id uuid,
    queue text,
    because text NOT NULL,
    signed_at timestamptz,
    signed_by uuid REFERENCES account,
    verdict verdict,
    note text NOT NULL DEFAULT '',
    -- Nobody looks after himself.
    CONSTRAINT somebody_else CHECK (signed_by::text <> actor),
    CHECK ((signed_at IS NULL) = (signed_by IS NULL)),
    CHECK ((signed_at IS NULL) = (verdict IS NULL))
);

CREATE INDEX use_sample_unsigned ON use_sample (week) WHERE signed_at IS NULL;

-- Whom a supervisor asked about a flagged call. It is shown as long as the call waits for a decision.
CREATE TABLE flag_asked (
    call_id uuid NOT NULL REFERENCES call,
    account_id uuid NOT NULL REFERENCES account,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (call_id, account_id)
);

-- The audit log. What an entry says: domain/audit.py. The tree over them: domain/merkle.py.

-- What was done and has no place in the tree yet: written in the transaction that did it, sequenced within a second.
CREATE TABLE audit_pending (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    at timestamptz NOT NULL,
    leaf text NOT NULL
);

-- The leaves of the tree, in its order. What is searched for is read out of the leaf, so that the two never differ.
CREATE TABLE audit_entry (
    seq bigint PRIMARY KEY CHECK (seq >= 0),
    id uuid NOT NULL UNIQUE,
    at timestamptz NOT NULL,
    leaf text NOT NULL,
    action text NOT NULL GENERATED ALWAYS AS ((leaf::jsonb) ->> 'action') STORED,
    outcome text NOT NULL GENERATED ALWAYS AS ((leaf::jsonb) ->> 'outcome') STORED,
    -- Who tries to log in by a name that nobody has is nobody.
    actor text NOT NULL GENERATED ALWAYS AS (coalesce((leaf::jsonb) -> 'actor' ->> 'id', '')) STORED,
    object text NOT NULL GENERATED ALWAYS AS (coalesce((leaf::jsonb) ->> 'object', '')) STORED
);

CREATE INDEX audit_entry_at ON audit_entry (at, seq);
CREATE INDEX audit_entry_action ON audit_entry (action, seq);
CREATE INDEX audit_entry_actor ON audit_entry (actor, seq);
CREATE INDEX audit_entry_object ON audit_entry (object, seq) WHERE object <> '';

-- Names, addresses, typed text: what can be erased. The leaf holds SHA-256(salt | value).
CREATE TABLE audit_personal (
    entry_id uuid NOT NULL,
    field text NOT NULL,
    salt bytea NOT NULL CHECK (length(salt) = 32),
    value text NOT NULL,
    PRIMARY KEY (entry_id, field)
);

CREATE INDEX audit_personal_name ON audit_personal (value, entry_id) WHERE field = 'actor.name';

-- Complete subtrees above the leaves.
CREATE TABLE audit_node (
    level smallint NOT NULL CHECK (level > 0),
    number bigint NOT NULL CHECK (number >= 0),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, number)
);

-- One row: the tree as it is.
CREATE TABLE audit_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL,
    frontier bytea[] NOT NULL
);

INSERT INTO audit_head (size, frontier) VALUES (0, '{}');

-- Signed notes (C2SP tlog-checkpoint).
CREATE TABLE audit_checkpoint (
    origin text NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL CHECK (length(root) = 32),
    signed_at timestamptz NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (origin, size)
);

-- How far each place outside this database has the checkpoints.
CREATE TABLE audit_anchor (
    target text PRIMARY KEY,
    size bigint NOT NULL DEFAULT 0,
    anchored_at timestamptz,
    trouble text NOT NULL DEFAULT '',
    tried_at timestamptz NOT NULL
);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_node
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
-- Sequencing takes rows away here, and nothing changes them.
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON audit_pending
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
-- A value is erased, not exchanged.
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON audit_personal
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

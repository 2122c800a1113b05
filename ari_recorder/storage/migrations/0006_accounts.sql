-- Who may log in, and who had which right when. Values of the enums are those of the Python enums of the same names.
-- What is secret is here as a hash, or sealed under the log-in key: this database opens no door by itself.

CREATE TYPE account_kind AS ENUM ('person', 'machine');
CREATE TYPE account_state AS ENUM ('invited', 'active', 'disabled');
CREATE TYPE account_role AS ENUM ('adviser', 'supervisor', 'privacy-officer', 'administrator', 'auditor');
CREATE TYPE right_change AS ENUM ('granted', 'approved', 'attested', 'ended');

CREATE TABLE account (
    id uuid PRIMARY KEY,
    kind account_kind NOT NULL,
    state account_state NOT NULL,
    -- Never given again, so that a line of the log is about one person.
    name text NOT NULL UNIQUE,
    full_name text NOT NULL,
    mail text NOT NULL DEFAULT '',
    language text NOT NULL,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    credential uuid,
    CHECK (credential = id),
    -- Nobody logs in without a password and a second factor, whatever a program forgets.
    CONSTRAINT two_factors CHECK (kind = 'machine' OR (state = 'active') = (credential IS NOT NULL)),
    CHECK (kind = 'person' OR credential IS NULL),
    CHECK ((state = 'disabled') = (disabled_at IS NOT NULL))
);

-- Both factors in one row, neither without the other.
CREATE TABLE credential (
    account_id uuid PRIMARY KEY REFERENCES account,
    password_hash text NOT NULL,     -- argon2id, with its parameters and salt
    password_set_at timestamptz NOT NULL,
    totp_secret bytea NOT NULL,      -- sealed
    totp_set_at timestamptz NOT NULL,
    -- The newest time step of which a code was accepted: no code of it or of one before is accepted again.
    last_step bigint NOT NULL,
    -- In a row, from devices nobody logged in with before.
    failures integer NOT NULL DEFAULT 0,
    locked_at timestamptz
);

ALTER TABLE account ADD FOREIGN KEY (credential) REFERENCES credential DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE recovery_code (
    account_id uuid NOT NULL REFERENCES credential ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (account_id, code_hash)
);

-- A link that lets its bearer set password and authenticator, once.
CREATE TABLE invitation (
    token_hash bytea PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    totp_secret bytea,               -- sealed; of the authenticator that is being set up
    CHECK (expires_at <= made_at + interval '24 hours')
);

CREATE UNIQUE INDEX invitation_one ON invitation (account_id);

CREATE TABLE session (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    account_id uuid NOT NULL REFERENCES account,
    began_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    stepped_up_at timestamptz,
    address text NOT NULL,
    ended_at timestamptz,
    ended_because text,
    CHECK ((ended_at IS NULL) = (ended_because IS NULL))
);

CREATE INDEX session_of_account ON session (account_id) WHERE ended_at IS NULL;
CREATE INDEX session_oldest ON session (began_at);

-- Between password and code. The row is the same for names nobody has.
CREATE TABLE log_in (
    ticket_hash bytea PRIMARY KEY,
    account_id uuid REFERENCES account,
    subject text NOT NULL,           -- of the throttle: the name that was given
    password_right boolean NOT NULL,
    device uuid,
    tries integer NOT NULL DEFAULT 0,
    began_at timestamptz NOT NULL
);

CREATE INDEX log_in_oldest ON log_in (began_at);

-- Browsers somebody logged in with: an attacker's guesses do not close their door.
CREATE TABLE known_device (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    account_id uuid NOT NULL REFERENCES account,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    failures integer NOT NULL DEFAULT 0
);

CREATE INDEX known_device_of_account ON known_device (account_id);
ALTER TABLE log_in ADD FOREIGN KEY (device) REFERENCES known_device ON DELETE SET NULL;

-- Tries by account, address and device (hashes of them): domain/throttle.py.
CREATE TABLE throttle (
    subject text PRIMARY KEY,
    tries integer NOT NULL,
    began_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    -- Since the last try that was let in.
    refused integer NOT NULL DEFAULT 0
);

CREATE INDEX throttle_oldest ON throttle (last_at);

CREATE TABLE machine_token (
    account_id uuid PRIMARY KEY REFERENCES account,
    token_hash bytea NOT NULL UNIQUE,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_seen_at timestamptz
);

-- Rights as they stand. The columns say what `right_history` says, for the question each request asks.
CREATE TABLE right_held (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account,
    role account_role NOT NULL,
    unit text NOT NULL,
    interfaces text[] NOT NULL,
    valid_from date NOT NULL,
    valid_until date NOT NULL,
    granted_by text NOT NULL,
    approved_at timestamptz,
    ended_at timestamptz,
    CHECK ((role = 'adviser') = (interfaces <> '{}')),
    CHECK (valid_until >= valid_from)
);

CREATE INDEX right_of_account ON right_held (account_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX right_once ON right_held (account_id, role, unit) WHERE ended_at IS NULL;

-- What happened to each right: never changed, never removed. From it any day of the past is computed again.
CREATE TABLE right_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    right_id uuid NOT NULL,
    change right_change NOT NULL,
    at timestamptz NOT NULL,
    by text NOT NULL,                -- user:<uuid>, operator:<name>
    why text NOT NULL,
    -- With `granted`.
    account_id uuid REFERENCES account,
    role account_role,
    unit text,
    interfaces text[],
    valid_from date,
    -- With `granted` and `attested`.
    valid_until date,
    CHECK ((change = 'granted') = (account_id IS NOT NULL AND role IS NOT NULL AND unit IS NOT NULL
        AND interfaces IS NOT NULL AND valid_from IS NOT NULL)),
    CHECK ((change IN ('granted', 'attested')) = (valid_until IS NOT NULL))
);

CREATE INDEX right_history_of_right ON right_history (right_id, id);

-- The queues of each unit from then on. A unit without queues has been removed.
CREATE TABLE unit_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit text NOT NULL,
    queues text[] NOT NULL,
    at timestamptz NOT NULL,
    by text NOT NULL,
    why text NOT NULL
);

CREATE INDEX unit_newest ON unit_history (unit, id DESC);

CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of rights is only added to';
END
$$;

CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON right_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON unit_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- What a user should know: on the page at the next log-in, and by mail where there is one.
CREATE TABLE notice_to_user (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    facts jsonb NOT NULL,
    seen_at timestamptz,
    mailed_at timestamptz
);

CREATE INDEX notice_unseen ON notice_to_user (account_id, id) WHERE seen_at IS NULL;
CREATE INDEX notice_to_mail ON notice_to_user (id) WHERE mailed_at IS NULL;

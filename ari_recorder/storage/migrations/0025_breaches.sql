-- Personal data breaches (GDPR, article 33): what somebody could reach, the clock, and the log of that time kept whole.
-- What is found: domain/breaches.py. Everything here is added, never changed.

CREATE TABLE breach (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('account', 'host')),
    -- The name of an account, or the address of a host.
    subject text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    aware_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    -- What was found: counts, and how far which account reached.
    findings jsonb NOT NULL,
    CHECK (since < until AND since <= aware_at AND aware_at <= opened_at AND until <= opened_at),
    -- Who asks the same again is given what was found then.
    UNIQUE (kind, subject, since, until, aware_at)
);

CREATE INDEX breach_period ON breach (since, until);

CREATE TABLE breach_recording (
    breach_id uuid NOT NULL REFERENCES breach,
    recording_id uuid NOT NULL REFERENCES recording,
    -- By a right that was held then. What was opened without one is here, too.
    by_right boolean NOT NULL,
    -- As the audit log has it: recording:view, recording:play, …
    opened text[] NOT NULL,
    PRIMARY KEY (breach_id, recording_id)
);

CREATE TABLE breach_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    breach_id uuid NOT NULL REFERENCES breach,
    change text NOT NULL CHECK (change IN ('opened', 'reminded', 'notified', 'closed')),
    at timestamptz NOT NULL,
    by text NOT NULL,
    by_name text NOT NULL,
    -- The authority's number of a notification, why it was closed, which reminder.
    note text NOT NULL
);

-- Each of these happens once.
CREATE UNIQUE INDEX breach_history_once ON breach_history (breach_id, change) WHERE change <> 'reminded';
CREATE UNIQUE INDEX breach_reminded_once ON breach_history (breach_id, note) WHERE change = 'reminded';

CREATE FUNCTION breach_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a breach is added, never changed' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER breach_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON breach
    FOR EACH STATEMENT EXECUTE FUNCTION breach_stays();
CREATE TRIGGER breach_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON breach_recording
    FOR EACH STATEMENT EXECUTE FUNCTION breach_stays();
CREATE TRIGGER breach_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON breach_history
    FOR EACH STATEMENT EXECUTE FUNCTION breach_stays();

-- The log of the time of a breach that is not closed stays as it is, with its names and addresses, whoever removes.
CREATE FUNCTION breach_keeps(moment timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM breach WHERE since <= moment AND moment < until
            AND NOT EXISTS (SELECT FROM breach_history WHERE breach_id = breach.id AND change = 'closed')
    )
$$;

CREATE FUNCTION breach_keeps_the_log() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz;
BEGIN
    IF TG_TABLE_NAME = 'audit_entry' THEN
        moment := OLD.at;
    ELSE
        SELECT at INTO moment FROM audit_entry WHERE id = OLD.entry_id;
        IF moment IS NULL THEN
            SELECT at INTO moment FROM audit_pending WHERE id = OLD.entry_id;
        END IF;
    END IF;
    IF breach_keeps(moment) THEN
        RAISE EXCEPTION 'this entry of the audit log is kept for a breach' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER breach_keeps_the_log BEFORE DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION breach_keeps_the_log();
CREATE TRIGGER breach_keeps_the_log BEFORE DELETE ON audit_personal
    FOR EACH ROW EXECUTE FUNCTION breach_keeps_the_log();

-- Who was at that address.
CREATE INDEX audit_personal_address ON audit_personal (value, entry_id) WHERE field = 'actor.address';

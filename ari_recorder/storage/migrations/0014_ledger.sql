-- The ledger as it was weighed: it outlives the PBX's queue_log. How a call is weighed: domain/ledger.py.

CREATE TABLE ledger_row (
    uniqueid text PRIMARY KEY,
    -- Of Europe/Helsinki, on which the call entered its first queue.
    day date NOT NULL,
    queue text NOT NULL,
    entered_at timestamptz NOT NULL,
    outcome text,                   -- what the PBX says; NULL: its log has no such call
    state ledger_state NOT NULL,
    reason text NOT NULL,
    flagged boolean NOT NULL,
    talk_time interval NOT NULL,
    heard interval NOT NULL,
    weighed_at timestamptz NOT NULL,
    alarmed_at timestamptz
);

CREATE INDEX ledger_row_day ON ledger_row (day, entered_at, uniqueid);
CREATE INDEX ledger_row_open ON ledger_row (day) WHERE state IN ('unexplained', 'pending');

-- A call nobody could account for, and what a person found out about it. Added to, never changed.
CREATE TABLE ledger_explanation (
    uniqueid text PRIMARY KEY REFERENCES ledger_row,
    why text NOT NULL CHECK (length(why) BETWEEN 1 AND 500),
    explained_by text NOT NULL,
    explained_at timestamptz NOT NULL
);

-- A day of which every call is accounted for. It stays so: rows of it are not weighed again.
CREATE TABLE ledger_day (
    day date PRIMARY KEY,
    closed_at timestamptz NOT NULL,
    recorded integer NOT NULL,
    not_recorded integer NOT NULL,
    explained integer NOT NULL
);

CREATE FUNCTION ledger_is_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER ledger_explanation_stays BEFORE UPDATE OR DELETE ON ledger_explanation
    FOR EACH ROW EXECUTE FUNCTION ledger_is_added_to();
CREATE TRIGGER ledger_day_stays BEFORE UPDATE OR DELETE ON ledger_day
    FOR EACH ROW EXECUTE FUNCTION ledger_is_added_to();

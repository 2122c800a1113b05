-- Several PBXs: the ledger of each is weighed where its queue_log lies, and closed for itself; the sum when all are.

-- NULL: weighed when there was one.
ALTER TABLE ledger_row ADD COLUMN system_name text;

CREATE TABLE ledger_pbx_day (
    day date NOT NULL,
    system_name text NOT NULL,
    closed_at timestamptz NOT NULL,
    recorded integer NOT NULL,
    not_recorded integer NOT NULL,
    quarantined integer NOT NULL,
    explained integer NOT NULL,
    PRIMARY KEY (day, system_name)
);

CREATE TRIGGER ledger_pbx_day_stays BEFORE UPDATE OR DELETE ON ledger_pbx_day
    FOR EACH ROW EXECUTE FUNCTION ledger_is_added_to();

-- When nobody heard that PBX. What the table absence holds is from when there was one.
CREATE TABLE pbx_absence (
    system_name text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL CHECK (until >= since),
    because text NOT NULL,
    over boolean NOT NULL,
    PRIMARY KEY (system_name, since)
);

CREATE INDEX pbx_absence_until ON pbx_absence (until);

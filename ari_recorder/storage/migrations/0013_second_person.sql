-- Whose log-in an account's is: rights count when somebody other than who made the link has confirmed that its owner used
-- it. Without that, one administrator could take the link and come in as somebody else.

ALTER TABLE account
    ADD COLUMN owner_confirmed boolean NOT NULL DEFAULT false,
    -- Who made the link its owner came by: user:<uuid>, operator:<name>.
    ADD COLUMN link_by text NOT NULL DEFAULT '',
    -- When. Who confirms says which coming is meant, so that nobody comes in between.
    ADD COLUMN came_at timestamptz;

-- Confirmed, and not any more: never changed, never removed. With the history of rights it says who could do what on any
-- day of the past.
CREATE TABLE owner_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account,
    confirmed boolean NOT NULL,
    at timestamptz NOT NULL,
    by text NOT NULL,                -- user:<uuid>, operator:<name>, service:<part>
    why text NOT NULL
);

CREATE INDEX owner_history_of_account ON owner_history (account_id, id);
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON owner_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- Who is in stays in, and days of the past stay what they were.
UPDATE account SET owner_confirmed = true WHERE state = 'active';
INSERT INTO owner_history (account_id, confirmed, at, by, why)
    SELECT id, true, created_at, 'service:migrate', 'before owners were confirmed' FROM account ORDER BY created_at, id;
INSERT INTO owner_history (account_id, confirmed, at, by, why)
    SELECT id, false, coalesce(disabled_at, now()), 'service:migrate', 'has no log-in' FROM account
    WHERE state <> 'active' ORDER BY created_at, id;

ALTER TABLE account ADD CONSTRAINT owner_has_a_log_in CHECK (state = 'active' OR NOT owner_confirmed);

-- Nobody knows any more who made the links that are out. They last a day; new ones are made.
DELETE FROM invitation;
ALTER TABLE invitation
    ADD COLUMN made_by text NOT NULL,
    -- There is nobody who could confirm: it counts at once. Told to whoever may approve rights.
    ADD COLUMN alone boolean NOT NULL;

-- More queues for a unit in which somebody has a right widen that right: they wait here for a second person.
CREATE TABLE unit_wanted (
    id uuid PRIMARY KEY,
    unit text NOT NULL UNIQUE,
    queues text[] NOT NULL,
    at timestamptz NOT NULL,
    by text NOT NULL,
    why text NOT NULL
);

-- Who agreed, where somebody had to.
ALTER TABLE unit_history ADD COLUMN approved_by text NOT NULL DEFAULT '';

-- A transferred call has recordings of two units: each decides on its own ones, and holds its own ones.
ALTER TABLE recording
    ADD COLUMN decision threat_decision,
    ADD COLUMN decided_at timestamptz,
    ADD COLUMN decided_by text,
    ADD CHECK ((decision IS NULL) = (decided_at IS NULL));
UPDATE recording SET decision = call.decision, decided_at = call.decided_at, decided_by = call.decided_by
    FROM call WHERE call.id = call_id AND call.decision IS NOT NULL;
DROP INDEX call_undecided;
ALTER TABLE call DROP COLUMN decision, DROP COLUMN decided_at, DROP COLUMN decided_by;
CREATE INDEX recording_undecided ON recording (call_id, queue)
    WHERE flagged AND decision IS NULL AND state = 'sealed' AND keeps = 0;

-- Of which queues a hold holds what is stored of its calls later; NULL: of all.
ALTER TABLE hold ADD COLUMN queues text[];

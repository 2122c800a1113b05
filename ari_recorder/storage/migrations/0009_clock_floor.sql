-- A recording that was stored while the clock was behind seems older than it is, and must not be destroyed for that.

ALTER TABLE recording
    -- The time that was known to have been reached already when it was stored; NULL when the clock agreed.
    ADD COLUMN clock_floor timestamptz,
    -- What retention counts from.
    ADD COLUMN kept_from timestamptz NOT NULL GENERATED ALWAYS AS (greatest(started_at, clock_floor)) STORED;

-- Each promise of the privacy notice as it was last seen: who is told that one is broken is told once, across restarts.

CREATE TYPE promise_state AS ENUM ('kept', 'broken', 'unknown');

CREATE TABLE promise (
    name text PRIMARY KEY,
    state promise_state NOT NULL,
    -- How much was found that should not be there.
    figure bigint,
    -- Ids and names of what was found: no person, no number.
    names text[] NOT NULL,
    since timestamptz NOT NULL,
    looked_at timestamptz NOT NULL,
    proved_at timestamptz
);

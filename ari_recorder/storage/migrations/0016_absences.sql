-- When no service heard the PBX: calls of that time are not recorded, or from a later moment on, and this is why.
CREATE TABLE absence (
    since timestamptz PRIMARY KEY,
    until timestamptz NOT NULL CHECK (until >= since),
    because text NOT NULL,
    over boolean NOT NULL           -- else it still goes on, and `until` is when it was written down last
);

CREATE INDEX absence_until ON absence (until);

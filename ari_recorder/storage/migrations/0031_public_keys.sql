-- The public halves of the keys, for hosts that record and have no other. Each is signed by its installation.

CREATE TABLE public_keyring (
    -- There is one.
    alone boolean PRIMARY KEY DEFAULT true CHECK (alone),
    installation uuid NOT NULL,
    -- keyring.json without what the root key opens.
    facts bytea NOT NULL
);

CREATE TABLE public_key (
    name text PRIMARY KEY,
    half bytea NOT NULL
);

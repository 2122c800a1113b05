-- Packages that wait to be fetched by a link, once; and in which way a recording was given out.
-- Values of the enums are those of the Python enums of the same names.

CREATE TYPE delivery_state AS ENUM (
    'waiting', 'opened', 'delivered', 'broken-off', 'expired', 'withdrawn', 'blocked', 'gone'
);
CREATE TYPE disclosure_way AS ENUM ('download', 'link', 'on-premises');

-- The package itself is a file of that host, which only its passphrase opens; the passphrase is nowhere.
CREATE TABLE delivery (
    id uuid PRIMARY KEY,
    -- SHA-256 of what stands in the link.
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    package_id uuid NOT NULL,
    package_kind text NOT NULL,
    package_name text NOT NULL,
    reference text NOT NULL,
    receiver_kind receiver_kind NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    host text NOT NULL,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    state delivery_state NOT NULL DEFAULT 'waiting',
    -- Passphrases that were tried: counted before they are, given back when they were right.
    tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    tried_at timestamptz,
    -- Whose browser opened it: SHA-256 of the secret in its cookie. Nobody else may try again.
    holder bytea CHECK (length(holder) = 32),
    opened_at timestamptz,
    -- Each time it is sent has a number; while it is sent, when the newest piece was let out, and how many bytes.
    attempt integer NOT NULL DEFAULT 0,
    active_at timestamptz,
    sent_bytes bigint NOT NULL DEFAULT 0,
    ended_at timestamptz,
    ended_by text NOT NULL DEFAULT '',
    CONSTRAINT delivery_lasts CHECK (expires_at > made_at AND expires_at <= made_at + interval '168 hours'),
    CONSTRAINT delivery_ends CHECK ((state IN ('waiting', 'opened')) = (ended_at IS NULL)),
    CONSTRAINT delivery_opened CHECK (state <> 'waiting' OR opened_at IS NULL),
    CONSTRAINT delivery_sent CHECK (active_at IS NULL OR state = 'opened')
);

CREATE INDEX delivery_newest ON delivery (made_at DESC, id);
CREATE INDEX delivery_live ON delivery (expires_at) WHERE state IN ('waiting', 'opened');

CREATE TABLE delivery_recording (
    delivery_id uuid NOT NULL REFERENCES delivery,
    recording_id uuid NOT NULL REFERENCES recording,
    -- Who gets it and why, in call_text: sealed, and gone when the call is forgotten.
    text_id uuid NOT NULL,
    -- On which it was opened, if it was restricted then.
    ground opening_ground,
    PRIMARY KEY (delivery_id, recording_id)
);

CREATE INDEX delivery_of_recording ON delivery_recording (recording_id);

-- Its file is known like any copy, so that it goes when a recording in it goes.
ALTER TABLE export ADD COLUMN delivery_id uuid REFERENCES delivery;
CREATE INDEX export_of_delivery ON export (delivery_id) WHERE delivery_id IS NOT NULL;

-- Who gives something out at the command line has no account.
ALTER TABLE disclosure ALTER COLUMN user_id DROP NOT NULL;
ALTER TABLE disclosure ADD COLUMN way disclosure_way NOT NULL DEFAULT 'download';
ALTER TABLE disclosure ADD COLUMN delivery_id uuid REFERENCES delivery;
ALTER TABLE disclosure ADD CONSTRAINT downloaded_by_user CHECK (way <> 'download' OR user_id IS NOT NULL);
ALTER TABLE disclosure ADD CONSTRAINT disclosed_by_link CHECK ((way = 'link') = (delivery_id IS NOT NULL));
CREATE INDEX disclosure_of_delivery ON disclosure (delivery_id) WHERE delivery_id IS NOT NULL;

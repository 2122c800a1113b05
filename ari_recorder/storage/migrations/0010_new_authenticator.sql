-- An authenticator that its owner sets up in the place of another one, until a first code of it was given.
CREATE TABLE new_authenticator (
    account_id uuid PRIMARY KEY REFERENCES credential ON DELETE CASCADE,
    session_id uuid NOT NULL REFERENCES session,
    totp_secret bytea NOT NULL,      -- sealed
    begun_at timestamptz NOT NULL
);

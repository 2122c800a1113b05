-- Sealed files that an S3 store has, or is to get: the queue of uploads, and what is known of each copy.
-- How a row goes through its life: storage/remote_copies.py. Without [s3] it stays empty.

CREATE TABLE remote_copy (
    recording_id uuid PRIMARY KEY REFERENCES recording,
    -- Endpoint, bucket and prefix: a copy is where it was put, whatever the settings say later.
    place text NOT NULL,
    -- The host in whose vault the sealed file lies; empty once it went from there because the store has it.
    host text NOT NULL,
    queued_at timestamptz NOT NULL,
    -- Nobody else takes it before; after a failure it is tried again then.
    not_before timestamptz NOT NULL,
    claimed_by text,
    failures integer NOT NULL DEFAULT 0,
    failure text,
    -- When the bytes that the store has were read back and compared.
    in_store_at timestamptz,
    etag text,
    CHECK ((in_store_at IS NULL) = (etag IS NULL)),
    CHECK (host <> '' OR in_store_at IS NOT NULL)
);

CREATE INDEX remote_copy_waiting ON remote_copy (not_before) WHERE in_store_at IS NULL;
CREATE INDEX remote_copy_queued ON remote_copy (queued_at) WHERE in_store_at IS NULL;

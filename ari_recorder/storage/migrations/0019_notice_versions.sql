-- What the privacy notice said, from when on. The version of any past moment, and so of any call, is the newest before it.

CREATE TABLE notice_version (
    version integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    since timestamptz NOT NULL,
    -- SHA-256 over the words of all languages: domain/notice.py.
    digest text NOT NULL CHECK (length(digest) = 64),
    languages text[] NOT NULL,
    -- By language: the title, and the sections with their paragraphs.
    texts jsonb NOT NULL
);

CREATE INDEX notice_version_since ON notice_version (since, version);

CREATE FUNCTION notice_version_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'versions of the notice are added, never changed' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER notice_version_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON notice_version
    FOR EACH STATEMENT EXECUTE FUNCTION notice_version_stays();

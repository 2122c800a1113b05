-- Which key each wrapped data key and each sealed caller belongs to (day-2026-11-24, hold-1, fallback): what the bytes
-- themselves say, for questions to the database. NULL: nothing is wrapped, or it was by a version before this one.

ALTER TABLE recording
    ADD COLUMN key_name text,
    -- Why the recording ends before the call did; NULL when it does not.
    ADD COLUMN truncated_because text;

ALTER TABLE call ADD COLUMN personal_key_name text;

-- A day key is destroyed when nothing of it is left; a hold key, when everything of it was wrapped anew.
CREATE INDEX recording_of_key ON recording (key_name, id) WHERE wrapped_key IS NOT NULL;
CREATE INDEX call_of_key ON call (personal_key_name, id) WHERE personal IS NOT NULL;

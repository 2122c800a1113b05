-- Restriction of processing (GDPR, article 18): what is stored and opened only on a ground. What it is: domain/restriction.py.
-- Values of the enums are those of the Python enums of the same names.

CREATE TYPE restriction_ground AS ENUM ('accuracy-contested', 'unlawful', 'needed-for-claims', 'objection');
CREATE TYPE opening_ground AS ENUM ('consent', 'legal-claims', 'rights-of-another', 'public-interest');
CREATE TYPE told_how AS ENUM ('letter', 'secure-mail', 'e-service', 'phone', 'in-person');

ALTER TYPE listening_end ADD VALUE 'restricted';
ALTER TYPE disclosure_end ADD VALUE 'restricted';

-- Each is added, and never changed: so is that it was lifted, and that the person was told before.
CREATE TABLE restriction (
    id uuid PRIMARY KEY,
    ground restriction_ground NOT NULL,
    -- The case; NULL where only its number is known.
    case_id uuid,
    case_number text NOT NULL,
    set_at timestamptz NOT NULL,
    set_by text NOT NULL,
    set_by_name text NOT NULL
);

CREATE INDEX restriction_of_case ON restriction (case_id) WHERE case_id IS NOT NULL;

CREATE TABLE restriction_of (
    restriction_id uuid NOT NULL REFERENCES restriction,
    recording_id uuid NOT NULL REFERENCES recording,
    PRIMARY KEY (restriction_id, recording_id)
);

CREATE INDEX restriction_of_recording ON restriction_of (recording_id);

CREATE TABLE restriction_lifted (
    restriction_id uuid PRIMARY KEY REFERENCES restriction,
    -- When and how the person was told that it will be lifted.
    told_on date NOT NULL,
    told_how told_how NOT NULL,
    lifted_at timestamptz NOT NULL,
    lifted_by text NOT NULL,
    lifted_by_name text NOT NULL,
    -- A day is one of Helsinki, whatever the database calls today.
    CONSTRAINT told_before_it_is_lifted CHECK (told_on <= (lifted_at AT TIME ZONE 'Europe/Helsinki')::date)
);

CREATE FUNCTION restriction_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a restriction is added and lifted, never changed' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER restriction_stays BEFORE UPDATE OR DELETE ON restriction
    FOR EACH ROW EXECUTE FUNCTION restriction_stays();
CREATE TRIGGER restriction_stays_whole BEFORE TRUNCATE ON restriction EXECUTE FUNCTION restriction_stays();
CREATE TRIGGER restriction_of_stays BEFORE UPDATE OR DELETE ON restriction_of
    FOR EACH ROW EXECUTE FUNCTION restriction_stays();
CREATE TRIGGER restriction_of_stays_whole BEFORE TRUNCATE ON restriction_of EXECUTE FUNCTION restriction_stays();
CREATE TRIGGER restriction_lifted_stays BEFORE UPDATE OR DELETE ON restriction_lifted
    FOR EACH ROW EXECUTE FUNCTION restriction_stays();
CREATE TRIGGER restriction_lifted_stays_whole BEFORE TRUNCATE ON restriction_lifted
    EXECUTE FUNCTION restriction_stays();

ALTER TABLE recording
    -- How many restrict it. In its row, so that who opens it and who restricts it lock the same row.
    ADD COLUMN restrictions integer NOT NULL DEFAULT 0 CHECK (restrictions >= 0);

CREATE INDEX recording_restricted ON recording (started_at DESC, id DESC) WHERE restrictions > 0;

-- The count follows from the rows, whoever writes them.
CREATE FUNCTION restriction_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM restriction_lifted WHERE restriction_id = NEW.restriction_id) THEN
        RAISE EXCEPTION 'restriction % is lifted', NEW.restriction_id USING ERRCODE = 'restrict_violation';
    END IF;
    UPDATE recording SET restrictions = restrictions + 1 WHERE id = NEW.recording_id;
    RETURN NULL;
END $$;

CREATE FUNCTION restriction_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE recording SET restrictions = restrictions - 1
    WHERE id IN (SELECT recording_id FROM restriction_of WHERE restriction_id = NEW.restriction_id);
    RETURN NULL;
END $$;

CREATE TRIGGER restriction_begins AFTER INSERT ON restriction_of
    FOR EACH ROW EXECUTE FUNCTION restriction_begins();
CREATE TRIGGER restriction_ends AFTER INSERT ON restriction_lifted
    FOR EACH ROW EXECUTE FUNCTION restriction_ends();

-- On what ground something restricted was opened; NULL: it was not restricted then.
ALTER TABLE listening ADD COLUMN ground opening_ground;
ALTER TABLE export_ask ADD COLUMN ground opening_ground;
ALTER TABLE disclosure ADD COLUMN ground opening_ground;
ALTER TABLE export ADD COLUMN ground opening_ground;

-- Nobody listens to it and nobody is given it without one, whoever forgets to ask.
CREATE FUNCTION restriction_stays_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.ground IS NULL AND EXISTS (SELECT FROM recording WHERE id = NEW.recording_id AND restrictions > 0) THEN
        RAISE EXCEPTION 'recording % is restricted', NEW.recording_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER listening_not_of_restricted BEFORE INSERT ON listening
    FOR EACH ROW EXECUTE FUNCTION restriction_stays_closed();
CREATE TRIGGER export_ask_not_of_restricted BEFORE INSERT ON export_ask
    FOR EACH ROW EXECUTE FUNCTION restriction_stays_closed();
CREATE TRIGGER disclosure_not_of_restricted BEFORE INSERT ON disclosure
    FOR EACH ROW EXECUTE FUNCTION restriction_stays_closed();
CREATE TRIGGER export_not_of_restricted BEFORE INSERT ON export
    FOR EACH ROW EXECUTE FUNCTION restriction_stays_closed();

ALTER TABLE request_freeze
    -- It is that of a restriction of the same id, whose person opposes the erasure; it ends with it.
    ADD COLUMN restricts boolean NOT NULL DEFAULT false;

-- Requests that were refused, in writing. What a certificate says: domain/refusal_certificates.py.

-- One row for each certificate, added and never changed: the numbers of a year have no gap.
CREATE TABLE refusal_certificate (
    id uuid PRIMARY KEY,
    year smallint NOT NULL,
    running integer NOT NULL,
    case_id uuid NOT NULL,
    -- What the person chose, and what was given besides it.
    languages text[] NOT NULL CHECK (cardinality(languages) > 0),
    kind text NOT NULL,
    ground text NOT NULL,
    issued_at timestamptz NOT NULL,
    issued_by text NOT NULL,
    issued_by_name text NOT NULL,
    UNIQUE (year, running)
);

CREATE INDEX refusal_certificate_of_case ON refusal_certificate (case_id);

-- What was given out, sealed to a hold key. It is sealed anew when that key is replaced; nothing else changes it.
CREATE TABLE refusal_certificate_body (
    certificate_id uuid PRIMARY KEY REFERENCES refusal_certificate,
    sealed bytea NOT NULL,
    key_name text NOT NULL
);

CREATE INDEX refusal_certificate_body_key ON refusal_certificate_body (key_name, certificate_id);

-- The next number of the year, whoever asks; who is not first waits until the other's transaction is over.
CREATE FUNCTION refusal_certificate_next(of_year smallint) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('refusal_certificate', of_year));
    RETURN (SELECT coalesce(max(running), 0) + 1 FROM refusal_certificate WHERE year = of_year);
END $$;

CREATE FUNCTION refusal_certificate_has_no_gap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.running IS DISTINCT FROM refusal_certificate_next(NEW.year) THEN
        RAISE EXCEPTION 'certificate %/% is not the next one', NEW.year, NEW.running USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION refusal_certificate_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a certificate of refusal is added, never changed' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER refusal_certificate_has_no_gap BEFORE INSERT ON refusal_certificate
    FOR EACH ROW EXECUTE FUNCTION refusal_certificate_has_no_gap();
CREATE TRIGGER refusal_certificate_stays BEFORE UPDATE OR DELETE ON refusal_certificate
    FOR EACH ROW EXECUTE FUNCTION refusal_certificate_stays();
CREATE TRIGGER refusal_certificate_stays_whole BEFORE TRUNCATE ON refusal_certificate
    EXECUTE FUNCTION refusal_certificate_stays();
CREATE TRIGGER refusal_certificate_body_stays BEFORE DELETE ON refusal_certificate_body
    FOR EACH ROW EXECUTE FUNCTION refusal_certificate_stays();
CREATE TRIGGER refusal_certificate_body_stays_whole BEFORE TRUNCATE ON refusal_certificate_body
    EXECUTE FUNCTION refusal_certificate_stays();
-- Under another key it is another text, so no rule can tell that the words are the same; that the key is another, it can.
CREATE TRIGGER refusal_certificate_body_is_sealed_anew BEFORE UPDATE ON refusal_certificate_body
    FOR EACH ROW WHEN (NEW.certificate_id <> OLD.certificate_id OR NEW.key_name = OLD.key_name)
    EXECUTE FUNCTION refusal_certificate_stays();

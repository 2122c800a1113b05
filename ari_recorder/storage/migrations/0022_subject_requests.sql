-- Requests of persons about what was recorded of them: domain/subject_requests.py.

-- How a case stands now. What was done to it, by whom and when, is in request_step; the numbers of a year have no gap.
CREATE TABLE request_case (
    id uuid PRIMARY KEY,
    year smallint NOT NULL,
    running integer NOT NULL,
    kind text NOT NULL,
    channel text NOT NULL,
    language text NOT NULL,
    is_proxy boolean NOT NULL,
    received_on date NOT NULL,
    state text NOT NULL,
    -- How many rows of request_step it has: who decides on another one decides on what is no more.
    version integer NOT NULL CHECK (version > 0),
    extended_to date,
    decision text,
    decided_at timestamptz,
    certificate_id uuid REFERENCES refusal_certificate,
    -- Of a document that was refused: the number of the authority's decision.
    paper_reference text NOT NULL DEFAULT '',
    answered_at timestamptz,
    closed_at timestamptz,
    -- The last day on which it can be appealed against: until then what it is about stays frozen.
    appeal_until date,
    released_at timestamptz,
    UNIQUE (year, running),
    CHECK ((decision IS NULL) = (decided_at IS NULL)),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CHECK ((closed_at IS NULL) = (appeal_until IS NULL)),
    CHECK (released_at IS NULL OR closed_at IS NOT NULL),
    -- Nobody is refused without having it in writing, whoever forgets to ask.
    CONSTRAINT what_is_refused_is_in_writing CHECK (
        decision NOT IN ('refused', 'partly') OR state NOT IN ('answered', 'closed')
        OR certificate_id IS NOT NULL OR (kind = 'document' AND paper_reference <> '')
    )
);

CREATE INDEX request_case_open ON request_case (received_on, id) WHERE closed_at IS NULL;
CREATE INDEX request_case_frozen ON request_case (appeal_until, id) WHERE released_at IS NULL;

-- What was done to a case: added, never changed.
CREATE TABLE request_step (
    case_id uuid NOT NULL REFERENCES request_case,
    version integer NOT NULL,
    step text NOT NULL,
    state text NOT NULL, -- after it
    because text NOT NULL,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    made_by_name text NOT NULL,
    facts jsonb NOT NULL,
    text_id uuid, -- in request_text
    PRIMARY KEY (case_id, version)
);

-- What people typed about a case, sealed to a hold key: names, numbers, what was asked, notes, reasons. It is sealed anew
-- when that key is replaced; nothing else changes it.
CREATE TABLE request_text (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES request_case,
    made_at timestamptz NOT NULL,
    sealed bytea NOT NULL,
    key_name text NOT NULL
);

CREATE INDEX request_text_key ON request_text (key_name, id);

-- Which calls a case may be about. The number is an index, as that of the callers is (0004); it is sealed in request_text.
CREATE TABLE request_search (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES request_case,
    caller_index bytea,
    caller_index_version integer,
    text_id uuid NOT NULL,
    queue text,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    -- Until the case lets go: what it matches is not destroyed.
    open boolean NOT NULL DEFAULT true,
    CHECK ((caller_index IS NULL) = (caller_index_version IS NULL)),
    CHECK (since < until)
);

CREATE INDEX request_search_open ON request_search (case_id) WHERE open;

-- The calls that were found, and whose they are.
CREATE TABLE request_match (
    case_id uuid NOT NULL REFERENCES request_case,
    call_id uuid NOT NULL REFERENCES call,
    found_at timestamptz NOT NULL,
    is_theirs boolean,
    is_granted boolean NOT NULL DEFAULT false,
    CHECK (NOT is_granted OR is_theirs IS TRUE),
    PRIMARY KEY (case_id, call_id)
);

CREATE INDEX request_match_of_call ON request_match (call_id);

-- The next number of the year, whoever asks; who is not first waits until the other's transaction is over.
CREATE FUNCTION request_case_next(of_year smallint) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('request_case', of_year));
    RETURN (SELECT coalesce(max(running), 0) + 1 FROM request_case WHERE year = of_year);
END $$;

CREATE FUNCTION request_case_has_no_gap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.running IS DISTINCT FROM request_case_next(NEW.year) THEN
        RAISE EXCEPTION 'case %/% is not the next one', NEW.year, NEW.running USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION request_history_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of a case is added to, never changed' USING ERRCODE = 'restrict_violation';
END $$;

-- A case goes on by a step that is written down, one at a time; what it was when it came stays.
CREATE FUNCTION request_case_goes_by_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version <> OLD.version + 1
        OR (NEW.id, NEW.year, NEW.running, NEW.kind, NEW.channel, NEW.language, NEW.is_proxy, NEW.received_on)
            IS DISTINCT FROM
            (OLD.id, OLD.year, OLD.running, OLD.kind, OLD.channel, OLD.language, OLD.is_proxy, OLD.received_on)
    THEN
        RAISE EXCEPTION 'a case goes on by a step of its history' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION request_step_is_there() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM request_step WHERE case_id = NEW.id AND version = NEW.version AND state = NEW.state
    ) THEN
        RAISE EXCEPTION 'case % has no step %', NEW.id, NEW.version USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER request_case_has_no_gap BEFORE INSERT ON request_case
    FOR EACH ROW EXECUTE FUNCTION request_case_has_no_gap();
CREATE TRIGGER request_case_goes_by_steps BEFORE UPDATE ON request_case
    FOR EACH ROW EXECUTE FUNCTION request_case_goes_by_steps();
CREATE CONSTRAINT TRIGGER request_step_is_there AFTER INSERT OR UPDATE ON request_case
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION request_step_is_there();
CREATE TRIGGER request_case_stays BEFORE DELETE ON request_case
    FOR EACH ROW EXECUTE FUNCTION request_history_stays();
CREATE TRIGGER request_case_stays_whole BEFORE TRUNCATE ON request_case EXECUTE FUNCTION request_history_stays();
CREATE TRIGGER request_step_stays BEFORE UPDATE OR DELETE ON request_step
    FOR EACH ROW EXECUTE FUNCTION request_history_stays();
CREATE TRIGGER request_step_stays_whole BEFORE TRUNCATE ON request_step EXECUTE FUNCTION request_history_stays();
CREATE TRIGGER request_text_stays BEFORE DELETE ON request_text
    FOR EACH ROW EXECUTE FUNCTION request_history_stays();
CREATE TRIGGER request_text_stays_whole BEFORE TRUNCATE ON request_text EXECUTE FUNCTION request_history_stays();
CREATE TRIGGER request_text_is_sealed_anew BEFORE UPDATE ON request_text
    FOR EACH ROW WHEN (
        (NEW.id, NEW.case_id, NEW.made_at) IS DISTINCT FROM (OLD.id, OLD.case_id, OLD.made_at)
        OR NEW.key_name = OLD.key_name
    ) EXECUTE FUNCTION request_history_stays();
CREATE TRIGGER request_match_stays BEFORE DELETE ON request_match
    FOR EACH ROW EXECUTE FUNCTION request_history_stays();
CREATE TRIGGER request_match_stays_whole BEFORE TRUNCATE ON request_match EXECUTE FUNCTION request_history_stays();

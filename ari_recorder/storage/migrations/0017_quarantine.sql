-- Audio of which nobody can prove that its caller was told: sealed, heard by nobody, destroyed on its day.
-- What it is: domain/quarantine.py.

ALTER TYPE ledger_state ADD VALUE 'quarantined' BEFORE 'unexplained';

ALTER TABLE call
    -- Of a quarantine, which has an id of its own: the call whose audio it is, where the name of the files proves it.
    ADD COLUMN proved_uniqueid text;

CREATE INDEX call_proved_uniqueid ON call (proved_uniqueid) WHERE proved_uniqueid IS NOT NULL;

ALTER TABLE recording
    -- In quarantine, and destroyed from then on. NULL: it is an ordinary one.
    ADD COLUMN quarantined_until timestamptz,
    -- Nobody holds or flags it, whoever forgets to ask. No old row can break this, so none is looked at.
    ADD CONSTRAINT what_is_in_quarantine_is_not_kept CHECK (quarantined_until IS NULL OR (keeps = 0 AND NOT flagged))
        NOT VALID;

CREATE INDEX recording_in_quarantine ON recording (quarantined_until, id)
    WHERE quarantined_until IS NOT NULL AND state = 'sealed';

-- Nobody listens to it and nobody is given it, whoever forgets to ask.
CREATE FUNCTION quarantine_stays_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM recording WHERE id = NEW.recording_id AND quarantined_until IS NOT NULL) THEN
        RAISE EXCEPTION 'recording % is in quarantine', NEW.recording_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER listening_not_of_quarantine BEFORE INSERT ON listening
    FOR EACH ROW EXECUTE FUNCTION quarantine_stays_closed();
CREATE TRIGGER export_ask_not_of_quarantine BEFORE INSERT ON export_ask
    FOR EACH ROW EXECUTE FUNCTION quarantine_stays_closed();
CREATE TRIGGER disclosure_not_of_quarantine BEFORE INSERT ON disclosure
    FOR EACH ROW EXECUTE FUNCTION quarantine_stays_closed();
CREATE TRIGGER export_not_of_quarantine BEFORE INSERT ON export
    FOR EACH ROW EXECUTE FUNCTION quarantine_stays_closed();

ALTER TABLE ledger_day ADD COLUMN quarantined integer NOT NULL DEFAULT 0;

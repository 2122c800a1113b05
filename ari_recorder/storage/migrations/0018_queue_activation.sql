-- By which decision the calls of a queue are recorded, on which PBX, from when until when.
-- `service`: the name of its PBX; several may share a database. `ended_at`: the configuration named another decision
-- from then on, or the queue no more.
CREATE TABLE queue_activation (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service           text NOT NULL,
    queue             text NOT NULL,
    approved_by       text NOT NULL CHECK (approved_by <> ''),
    approved_on       date NOT NULL,
    staff_informed_on date NOT NULL,
    began_at          timestamptz NOT NULL,
    ended_at          timestamptz CHECK (ended_at >= began_at)
);

CREATE UNIQUE INDEX queue_activation_now ON queue_activation (service, queue) WHERE ended_at IS NULL;

CREATE FUNCTION queue_activation_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL
       AND (OLD.id, OLD.service, OLD.queue, OLD.approved_by, OLD.approved_on, OLD.staff_informed_on, OLD.began_at)
         = (NEW.id, NEW.service, NEW.queue, NEW.approved_by, NEW.approved_on, NEW.staff_informed_on, NEW.began_at) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'by which decision a queue was recorded is added and ended, never changed';
END $$;

CREATE TRIGGER queue_activation_stays BEFORE UPDATE OR DELETE ON queue_activation
    FOR EACH ROW EXECUTE FUNCTION queue_activation_stays();
CREATE TRIGGER queue_activation_stays_whole BEFORE TRUNCATE ON queue_activation
    EXECUTE FUNCTION queue_activation_stays();

-- Whose recordings these are: one row for each agent of the call, by interface and by name in small letters, in the order
-- of time. Somebody's newest are then read from one index, however many there are. Gone when the call is forgotten.

CREATE TABLE recording_agent (
    recording_id uuid NOT NULL REFERENCES recording,
    agent text NOT NULL,
    -- Those of the recording, so that no other table is asked for what lies outside a scope.
    started_at timestamptz NOT NULL,
    queue text NOT NULL,
    PRIMARY KEY (recording_id, agent)
);

INSERT INTO recording_agent (recording_id, agent, started_at, queue)
SELECT recording.id, agent, recording.started_at, recording.queue
FROM call JOIN recording ON recording.call_id = call.id, unnest(call.agents) AS agent;

CREATE INDEX recording_of_agent ON recording_agent (agent, started_at DESC, recording_id DESC) INCLUDE (queue);
DROP INDEX call_by_agent;

-- What people ordered, once: an answer may be lost on its way after the order was carried out. The order comes again
-- with the same id, and finds itself here.
CREATE TABLE command_done (
    id uuid PRIMARY KEY,
    request text NOT NULL,          -- of one request several transactions may write
    done_at timestamptz NOT NULL
);

CREATE INDEX command_done_at ON command_done (done_at);

-- The hosts of one installation, and which of them does what only one may do. All times are this server's.

CREATE TABLE host (
    name text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 80),
    -- Of its state folder: the same host may come back at once, another one of that name has to wait.
    instance uuid NOT NULL,
    -- Of this run of the service.
    incarnation uuid NOT NULL UNIQUE,
    roles text[] NOT NULL,
    version text NOT NULL,
    -- Of the PBX it records beside; NULL: none, or not heard yet.
    system_name text UNIQUE,
    -- Of its folder of sealed files. Hosts that share the folder have the same.
    vault uuid,
    started_at timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    -- It said so itself.
    stopped boolean NOT NULL DEFAULT false,
    silence_told boolean NOT NULL DEFAULT false,
    health text NOT NULL DEFAULT 'well',
    troubles text NOT NULL DEFAULT '',
    -- Calls of its journal that wait for this database, and for how long the first has.
    waiting_calls integer NOT NULL DEFAULT 0,
    waiting_for interval NOT NULL DEFAULT '0',
    -- The keys that its journal and its parts need: nobody destroys them.
    keys_needed text[] NOT NULL DEFAULT '{}'
);

CREATE TABLE lease (
    name text PRIMARY KEY,
    host text NOT NULL,
    -- NULL: it is free.
    incarnation uuid,
    -- One more with each holder: who was paused finds another number here, and writes nothing.
    epoch bigint NOT NULL,
    taken_at timestamptz NOT NULL
);

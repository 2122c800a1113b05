-- Recordings that came from an old PBX's folder: services/importing.py.
-- Values of the enum are those of the Python enum of the same name.

CREATE TYPE date_source AS ENUM ('name', 'cdr', 'folder', 'file');

-- Of each, before anything of it is sealed. Its row stays when the recording is destroyed: what was destroyed is not
-- imported again. No name of a file is here, for names hold numbers of callers.
CREATE TABLE imported (
    recording_id uuid PRIMARY KEY,
    -- Of the audio as it is sealed; of what is silent, with its time: one silence is like another.
    audio_sha256 bytea NOT NULL UNIQUE,
    -- Of the file as it lay there.
    file_sha256 bytea NOT NULL,
    date_source date_source NOT NULL,
    -- What is to be known about the date; empty when nothing is.
    date_doubt text NOT NULL,
    -- Both voices are in one channel.
    mixed boolean NOT NULL,
    form text NOT NULL,
    path text NOT NULL,
    -- To be sealed to this key; what it was sealed to, its recording says.
    wanted_key text NOT NULL,
    intended_at timestamptz NOT NULL,
    -- NULL: it is on its way, or somebody was killed; then its sealed file is nobody's, and goes.
    stored_at timestamptz,
    original_removed_at timestamptz
);

CREATE INDEX imported_file ON imported (file_sha256);
CREATE INDEX imported_on_its_way ON imported (recording_id) WHERE stored_at IS NULL;

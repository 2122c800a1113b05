-- On which host a recording was sealed, and in which folder its file lies; NULL: from before, in the only one there was.

ALTER TABLE recording ADD COLUMN of_host text, ADD COLUMN vault uuid;

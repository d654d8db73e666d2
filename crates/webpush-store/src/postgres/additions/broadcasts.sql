-- Versions of broadcasts that were set at run time.
CREATE TABLE @.broadcast (
    name text PRIMARY KEY,
    version text NOT NULL
);

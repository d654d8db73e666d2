-- Settings that must be equal on all nodes: their names, and a keyed hash of the value of each.
CREATE TABLE @.node_settings (
    -- Programs that do not know this table remove nodes as well.
    node uuid PRIMARY KEY REFERENCES @.node ON DELETE CASCADE,
    names text[] NOT NULL,
    hashes text[] NOT NULL
);

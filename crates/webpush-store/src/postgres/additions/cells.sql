-- Several databases for one service, each a cell.

-- Which cell of which service this database is.
CREATE TABLE @.identity (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    service uuid NOT NULL,
    -- 0 is the first cell, which has the table of all cells and the sealing keys.
    cell smallint NOT NULL
);
INSERT INTO @.identity (service, cell) VALUES (gen_random_uuid(), 0);

-- The cells of the service; filled in the first one.
CREATE TABLE @.cell (
    number smallint PRIMARY KEY,
    name text NOT NULL UNIQUE,
    -- Empty for the first cell.
    url text NOT NULL,
    -- Its share of new inboxes, relative to the others.
    weight integer NOT NULL,
    -- New inboxes are created here.
    is_open boolean NOT NULL,
    -- Of the first cell: how often shards were moved.
    moves bigint NOT NULL DEFAULT 0
);
INSERT INTO @.cell (number, name, url, weight, is_open) VALUES (0, 'first', '', 100, true);

-- Shards that have moved. A shard is the first two bytes of the ID of an inbox. All others are in the first cell.
CREATE TABLE @.shard (
    number integer PRIMARY KEY,
    cell smallint NOT NULL,
    -- Counts the moves of the shard. If cells differ, the highest version is right.
    version bigint NOT NULL
);

-- Receipts from other cells that were recorded here, while these may send them again.
CREATE TABLE @.received_receipt (
    message uuid PRIMARY KEY,
    -- The inbox of the receipt.
    inbox uuid NOT NULL,
    received timestamptz NOT NULL DEFAULT now()
);

-- Shards whose rows were copied here, and the version that makes them valid.
CREATE TABLE @.incoming_shard (
    number integer PRIMARY KEY,
    version bigint NOT NULL
);
-- Their rows, until the cell that has them lets go of them.
CREATE TABLE @.incoming_inbox (LIKE @.inbox);
CREATE INDEX incoming_inbox_key ON @.incoming_inbox (id);
CREATE TABLE @.incoming_subscription (LIKE @.subscription);
CREATE INDEX incoming_subscription_key ON @.incoming_subscription (agent);
CREATE TABLE @.incoming_entry (LIKE @.entry INCLUDING STORAGE);
CREATE INDEX incoming_entry_key ON @.incoming_entry (inbox);
CREATE TABLE @.incoming_received_receipt (LIKE @.received_receipt);

-- Receipts for inboxes in other cells, until they are recorded there.
CREATE TABLE @.outgoing_receipt (
    message uuid PRIMARY KEY,
    inbox uuid NOT NULL,
    key smallint NOT NULL,
    about_inbox uuid NOT NULL,
    about_position bigint NOT NULL,
    acknowledged boolean NOT NULL
);

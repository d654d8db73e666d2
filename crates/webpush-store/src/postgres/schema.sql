-- The tables of one service. The name of their schema takes the place of @.

-- One row.
CREATE TABLE @.state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- The version of this schema.
    version integer NOT NULL,
    -- Positions are assigned above this one.
    floor bigint NOT NULL,
    -- The highest last position of all inboxes that were removed.
    removed bigint NOT NULL,
    -- The database system and timeline of the last commit: another one may have lost positions that clients saw.
    history text NOT NULL
);

CREATE TABLE @.inbox (
    id uuid PRIMARY KEY,
    -- 0: a user agent, with messages. 1: a receipt subscription, with receipts.
    owner smallint NOT NULL,
    -- Times are in milliseconds since 1970.
    created bigint NOT NULL,
    -- The sealing key of its URL.
    key smallint NOT NULL,
    -- The last position assigned.
    last bigint NOT NULL,
    entries bigint NOT NULL,
    body_bytes bigint NOT NULL,
    subscriptions bigint NOT NULL,
    -- The hour since 1970 in which it was last monitored.
    monitored integer,
    -- The same, or the hour of its creation.
    used integer NOT NULL
) WITH (
    -- Each message updates its inbox, in place while the page has room.
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX inbox_used ON @.inbox (used, id);
CREATE INDEX inbox_fresh ON @.inbox (used, id) WHERE owner = 0 AND monitored IS NULL;

CREATE TABLE @.subscription (
    agent uuid NOT NULL,
    id uuid NOT NULL,
    created bigint NOT NULL,
    key smallint NOT NULL,
    -- The VAPID key that senders must use.
    sender bytea,
    -- 0: RFC 8030. 1: autopush. 2: the API of 2015. 3: Chromium.
    protocol smallint NOT NULL,
    channel uuid,
    category bytea,
    subtype bytea,
    PRIMARY KEY (agent, id)
);
CREATE UNIQUE INDEX subscription_channel ON @.subscription (agent, channel) WHERE channel IS NOT NULL;

-- Messages to agents, and receipts to application servers.
CREATE TABLE @.entry (
    inbox uuid NOT NULL,
    position bigint NOT NULL,
    message uuid NOT NULL,
    key smallint NOT NULL,
    -- Of a message.
    subscription uuid,
    accepted bigint,
    expires bigint,
    -- When it ends as expired.
    removal bigint,
    urgency smallint,
    topic text,
    encoding bytea,
    -- The inbox of its receipt.
    receipt uuid,
    body bytea,
    -- Of a receipt.
    about_inbox uuid,
    about_position bigint,
    acknowledged boolean,
    PRIMARY KEY (inbox, position)
) WITH (
    -- Bodies of 4 KiB stay in their row.
    toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0.2
);
-- Bodies are encrypted, and cannot be compressed.
ALTER TABLE @.entry ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX entry_removal ON @.entry (removal) WHERE removal IS NOT NULL;
CREATE INDEX entry_topic ON @.entry (inbox, subscription, topic) WHERE topic IS NOT NULL;

-- The last group that each writer connection committed, to resolve commits of unknown outcome.
CREATE TABLE @.lane (
    node uuid NOT NULL,
    number smallint NOT NULL,
    last_group bigint NOT NULL,
    PRIMARY KEY (node, number)
) WITH (fillfactor = 20);

CREATE TABLE @.node (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    version text NOT NULL,
    started timestamptz NOT NULL,
    -- Its last heartbeat.
    seen timestamptz NOT NULL,
    -- How often it could not tell the others of its commits.
    gaps bigint NOT NULL
) WITH (fillfactor = 20);

-- Sealing keys of capability URLs, wrapped with a secret that is not in the database.
CREATE TABLE @.sealing_key (
    number integer PRIMARY KEY,
    id smallint NOT NULL UNIQUE,
    wrapped bytea NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);

INSERT INTO @.state (version, floor, removed, history) VALUES (1, 0, 0, '');

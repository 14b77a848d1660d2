"""The tables, as migrations. Each is applied once, in order, inside one transaction; never edit one that
has been released: add another.

    checkpoints   job, pass -> watermark, and the window being read with its cursor
    processed     job, entity -> digest of the last state applied
    sent          order -> what MAO was sent, and what of it is acknowledged
    in_flight     units of orders that MAO's availability does not know yet
    imports       import operations whose outcome is not known yet
    dead_letters  changes set aside, one per job and entity
    runs, events  history: executions, and the writes and refusals they made
    budget        requests used, by hour
    meta          salt (of keyed hashes), schema (number of migrations)
"""

from __future__ import annotations

import secrets

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

migrations = Migrations("ct_mao_sync")

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE checkpoints (
    job TEXT NOT NULL, pass TEXT NOT NULL,
    watermark TEXT, since TEXT, until TEXT, cursor TEXT, selection TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (job, pass)
) WITHOUT ROWID;
CREATE TABLE processed (
    job TEXT NOT NULL, entity TEXT NOT NULL,
    digest TEXT NOT NULL, version INTEGER NOT NULL, run TEXT NOT NULL, at TEXT NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job, entity)
) WITHOUT ROWID;
CREATE INDEX processed_finished ON processed (at) WHERE finished = 1;
CREATE TABLE sent (
    entity TEXT PRIMARY KEY,
    mao_order_id TEXT NOT NULL, version INTEGER NOT NULL,
    base BLOB, sending BLOB, cancelling INTEGER NOT NULL DEFAULT 0, at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sent_cancelling ON sent (entity) WHERE cancelling = 1;
CREATE TABLE in_flight (
    order_id TEXT NOT NULL, sku TEXT NOT NULL, channel TEXT NOT NULL DEFAULT '',
    units TEXT NOT NULL, acked_at TEXT,
    PRIMARY KEY (order_id, sku, channel)
) WITHOUT ROWID;
CREATE INDEX in_flight_sku ON in_flight (sku, channel);
CREATE TABLE imports (
    entry TEXT PRIMARY KEY,
    quantity INTEGER NOT NULL, container TEXT NOT NULL, operation TEXT NOT NULL, at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL, entity TEXT NOT NULL, label TEXT NOT NULL,
    code TEXT NOT NULL, message TEXT NOT NULL, field TEXT NOT NULL, hint TEXT NOT NULL,
    context TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('transient', 'permanent')),
    state TEXT NOT NULL CHECK (state IN ('open', 'discarded')),
    version INTEGER NOT NULL, mapping_digest TEXT NOT NULL,
    tries INTEGER NOT NULL, first_at TEXT NOT NULL, last_at TEXT NOT NULL, next_try_at TEXT,
    run TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    UNIQUE (job, entity)
);
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL, started_at TEXT NOT NULL, finished_at TEXT,
    since TEXT, until TEXT, counts TEXT NOT NULL DEFAULT '{}', exit_code INTEGER,
    requests INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT ''
);
CREATE INDEX runs_by_job ON runs (job, started_at);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL, at TEXT NOT NULL, entity TEXT NOT NULL, label TEXT NOT NULL,
    action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX events_by_entity ON events (entity);
CREATE INDEX events_by_label ON events (label);
CREATE INDEX events_by_time ON events (at);
CREATE TABLE budget (hour TEXT PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID;
"""


@migrations()
def m001_tables(db: Database) -> None:
    # One by one: executescript would commit the transaction that the migration runs in.
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            db.execute(statement)
    db.execute("INSERT INTO meta VALUES ('salt', ?)", [secrets.token_hex(32)])

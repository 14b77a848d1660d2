"""The tables, as migrations. Each is applied once, in order, inside one transaction; never edit one that
has been released: add another.

    checkpoints   job, pass -> watermark, and the window being read with its cursor
    processed     job, entity -> digest of the last state applied
    sent          order -> what MAO was sent, and what of it is acknowledged
    in_flight     lines of orders, and how many of their units MAO's availability does not know yet
    in_flight_counted  entry -> base units in flight that its quantity already allows for
    imports       import operations whose outcome is not known yet
    order_status  order -> how far its fulfilment is, and how new the record was that said so
    entries       inventory entry -> our last write, and the moment of its figure
    sweeps        passes over the whole assortment
    dead_letters  changes set aside, one per job and entity
    runs, events  history: executions, and the writes and refusals they made
    returns       return of an order -> newest version seen, when, items recorded, whether more is to come
    outbox        events for the payment service: the line until the file has it, the key for ever
    budget        requests used, by hour
    totals        job, outcome -> how many since the file was made; only ever grows
    incidents     what operators have been alerted of and is not resolved
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
    base BLOB, sending BLOB, sending_version INTEGER, sending_count INTEGER NOT NULL DEFAULT 0,
    cancelling INTEGER NOT NULL DEFAULT 0, at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sent_cancelling ON sent (entity) WHERE cancelling = 1;
CREATE INDEX sent_by_mao_order ON sent (mao_order_id);
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


# In flight by line: MAO tells of lines, and two lines of an order can sell one SKU. Nothing was ever
# written to the first form of the table.
_INVENTORY = """
DROP TABLE in_flight;
CREATE TABLE in_flight (
    order_id TEXT NOT NULL, line_id TEXT NOT NULL,
    sku TEXT NOT NULL, channel TEXT NOT NULL DEFAULT '',
    units INTEGER NOT NULL, uncounted INTEGER NOT NULL, acked_at TEXT, created_at TEXT NOT NULL,
    PRIMARY KEY (order_id, line_id)
) WITHOUT ROWID;
CREATE INDEX in_flight_uncounted ON in_flight (sku, channel, uncounted) WHERE uncounted > 0;
CREATE INDEX in_flight_by_age ON in_flight (created_at) WHERE uncounted = 0;
CREATE TABLE in_flight_counted (
    sku TEXT NOT NULL, channel TEXT NOT NULL, units INTEGER NOT NULL,
    PRIMARY KEY (sku, channel)
) WITHOUT ROWID;
ALTER TABLE imports ADD COLUMN key TEXT NOT NULL DEFAULT '';
CREATE TABLE entries (
    entry TEXT PRIMARY KEY,
    quantity INTEGER NOT NULL, version INTEGER, figure_at TEXT
) WITHOUT ROWID;
CREATE TABLE sweeps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at TEXT NOT NULL, finished_at TEXT,
    entry_count INTEGER NOT NULL DEFAULT 0, positive_count INTEGER NOT NULL DEFAULT 0
);
"""


@migrations()
def m002_inventory(db: Database) -> None:
    for statement in _INVENTORY.split(";\n"):
        if statement.strip():
            db.execute(statement)


_OPERATIONS = """
ALTER TABLE runs ADD COLUMN passes TEXT NOT NULL DEFAULT '';
CREATE TABLE totals (
    job TEXT NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (job, name)
) WITHOUT ROWID;
CREATE TABLE incidents (
    key TEXT PRIMARY KEY,
    since TEXT NOT NULL, message TEXT NOT NULL, told_at TEXT,
    tries INTEGER NOT NULL, tried_at TEXT NOT NULL
) WITHOUT ROWID;
"""


@migrations()
def m003_operations(db: Database) -> None:
    for statement in _OPERATIONS.split(";\n"):
        if statement.strip():
            db.execute(statement)


@migrations()
def m004_correlation(db: Database) -> None:
    db.execute("ALTER TABLE events ADD COLUMN correlation_id TEXT NOT NULL DEFAULT ''")


_RETURNS = """
CREATE TABLE returns (
    entity TEXT PRIMARY KEY,
    version INTEGER NOT NULL, is_open INTEGER NOT NULL, items TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX returns_open ON returns (entity) WHERE is_open = 1;
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE, line TEXT NOT NULL, at TEXT NOT NULL
);
CREATE INDEX outbox_unwritten ON outbox (id) WHERE line != '';
"""


@migrations()
def m005_returns(db: Database) -> None:
    for statement in _RETURNS.split(";\n"):
        if statement.strip():
            db.execute(statement)


_UPKEEP = """
CREATE INDEX processed_by_age ON processed (at);
CREATE INDEX sent_with_base ON sent (at) WHERE base IS NOT NULL;
DROP INDEX processed_finished
"""


@migrations()
def m006_upkeep(db: Database) -> None:
    # So that looking for what is old costs nothing when there is none.
    for statement in _UPKEEP.split(";\n"):
        db.execute(statement)


@migrations()
def m007_order_status(db: Database) -> None:
    db.execute(
        "CREATE TABLE order_status (entity TEXT PRIMARY KEY, mao_order_id TEXT NOT NULL, "
        "version INTEGER NOT NULL, progress INTEGER NOT NULL) WITHOUT ROWID"
    )
    db.execute("CREATE INDEX order_status_open ON order_status (entity) WHERE progress < 2")


_COUNTED = """
DROP TABLE in_flight_counted;
CREATE TABLE in_flight_counted (
    sku TEXT NOT NULL, channel TEXT NOT NULL, units TEXT NOT NULL,
    PRIMARY KEY (sku, channel)
) WITHOUT ROWID
"""


@migrations()
def m008_counted_entries(db: Database) -> None:
    # By entry, where it was by SKU: several of them show the stock of one item, and each has to be brought
    # in line. Empty, so that those with units in flight are compared once more.
    for statement in _COUNTED.split(";\n"):
        db.execute(statement)


_FORGETTING = """
ALTER TABLE returns ADD COLUMN at TEXT NOT NULL DEFAULT '';
UPDATE returns SET at = coalesce(
    (SELECT p.at FROM processed p WHERE p.job = 'returns' AND p.entity = returns.entity),
    (SELECT max(started_at) FROM runs WHERE job = 'returns'), '');
CREATE INDEX returns_closed_by_age ON returns (at) WHERE is_open = 0
"""


@migrations()
def m009_forgetting(db: Database) -> None:
    # When a return was seen last, so that a finished one can be forgotten. (`processed.finished` was never
    # set and stays: to drop a column takes SQLite 3.35, and RHEL 9 has 3.34.)
    for statement in _FORGETTING.split(";\n"):
        db.execute(statement)


@migrations()
def m010_sending_at(db: Database) -> None:
    # When the save without an answer went out; `at` tells of what was acknowledged.
    db.execute("ALTER TABLE sent ADD COLUMN sending_at TEXT NOT NULL DEFAULT ''")

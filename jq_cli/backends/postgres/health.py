"""What keeps a database from clearing up after a queue, by name: an operator can do something about it, the queue cannot."""

from typing import Any

from psycopg import Connection

from jq_cli.backends.postgres.address import Address

OLD = 30
"""Seconds from which on an open snapshot is worth a word."""

MANY_DEAD = 100_000

_HOLDERS = f"""
SELECT 'session ' || pid || coalesce(' of ' || usename, '') || coalesce(' (' || nullif(application_name, '') || ')', '')
  || ', ' || coalesce(state, 'of unknown state') || ', for ' || round(extract(epoch FROM clock_timestamp() - xact_start)) || ' s'
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND clock_timestamp() - xact_start > interval '{OLD} s'
UNION ALL
SELECT 'prepared transaction ' || gid || ' of ' || owner
  || ', for ' || round(extract(epoch FROM clock_timestamp() - prepared)) || ' s'
FROM pg_prepared_xacts WHERE database = current_database() AND clock_timestamp() - prepared > interval '{OLD} s'
UNION ALL
SELECT 'replication slot ' || slot_name || ', its consumer behind'
FROM pg_replication_slots WHERE NOT active AND (xmin IS NOT NULL OR catalog_xmin IS NOT NULL)"""

_DEAD = "SELECT relname, n_dead_tup FROM pg_stat_user_tables WHERE schemaname = %s AND n_dead_tup > %s"


def health(connection: Connection[Any], address: Address) -> list[str]:
    """What an operator should know, one line each. Sessions of other roles are seen by members of pg_read_all_stats only."""
    notes = [
        f"{holder}: its snapshot keeps rows of done jobs from being cleared away, which makes claims slower"
        for (holder,) in connection.execute(_HOLDERS).fetchall()
    ]
    for table, dead in connection.execute(_DEAD, (address.schema, MANY_DEAD)).fetchall():
        notes.append(f"table {table} holds {dead:,} dead rows; vacuum does not keep up or is kept from it")
    return notes

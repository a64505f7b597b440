"""The change feed: database triggers, so that a change by SQL or the admin is noticed like one by an action.

Each statement that changes what is served adds a `RegistryChange` for every agent it touched and notifies the workers'
listeners. The advisory lock is held until the transaction ends, so revisions commit in their order; an action has
already taken it, first of all.
"""

import pgtrigger

from registry.base.sql import compose

CHANNEL = "registry_changed"
# Any number will do that nobody else uses in this database: "swbd" in ASCII.
ADVISORY_LOCK = 0x73776264

KEEP_CHANGES = 10_000  # revisions; a listener that has missed more sees a gap and loads everything

# The agents that the rows of a transition table belong to; {rows} is that table.
AGENTS_OF = {
    "agent": "SELECT DISTINCT id AS agent_id FROM {rows}",
    "route": "SELECT DISTINCT agent_id FROM {rows}",
    "sip": "SELECT DISTINCT route.agent_id FROM {rows} LEFT JOIN registry_route route ON route.id = {rows}.route_id",
}
ROWS = {"insert": ("new_rows",), "update": ("old_rows", "new_rows"), "delete": ("old_rows",)}
OPERATIONS = {"insert": pgtrigger.Insert, "update": pgtrigger.Update, "delete": pgtrigger.Delete}


def change_feed(table: str) -> list[pgtrigger.Trigger]:
    """The statement triggers of one table; `table` is a key of AGENTS_OF."""
    return [
        pgtrigger.Trigger(
            name=f"{table}_{name}_feeds",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=operation,
            referencing=pgtrigger.Referencing(  # type: ignore[no-untyped-call]
                old="old_rows" if "old_rows" in ROWS[name] else None,
                new="new_rows" if "new_rows" in ROWS[name] else None,
            ),
            func=feed(" UNION ".join(AGENTS_OF[table].format(rows=rows) for rows in ROWS[name])),
        )
        for name, operation in OPERATIONS.items()
    ]


def feed(agents: str) -> str:
    """The trigger's body: nothing for a statement that touched no row."""
    return compose(
        """
        IF EXISTS ({agents}) THEN
            PERFORM pg_advisory_xact_lock({lock});
            INSERT INTO registry_registrychange (revision, agent_id, created)
                SELECT latest.revision + row_number() OVER (), touched.agent_id, now()
                FROM ({agents}) touched,
                    (SELECT coalesce(max(revision), 0) AS revision FROM registry_registrychange) latest;
            DELETE FROM registry_registrychange
                WHERE revision <= (SELECT max(revision) FROM registry_registrychange) - {kept};
            PERFORM pg_notify('{channel}', '');
        END IF;
        RETURN NULL;
    """,
        agents=agents,
        lock=str(ADVISORY_LOCK),
        kept=str(KEEP_CHANGES),
        channel=CHANNEL,
    )

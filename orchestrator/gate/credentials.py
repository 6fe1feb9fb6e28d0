"""Which account a call uses: the requester's own connection, or a shared one that lists them. Never another person's.

Credentials are read at the last hop and go to the connector alone: not to agents, workflows, logs, spans or the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable

from connectors.spec import Account
from orchestrator.store.connections import Connection


def choose(connections: Iterable[Connection], *, principal: str, family: str) -> Connection | None:
    """The principal's own active connection for a family, else a shared one that lists them, else None.

    Whoever has an account of their own never falls back to a shared one: a lapsed one waits for its owner.
    """
    fitting = sorted(
        (c for c in connections if family in c.families and c.serves(principal)), key=lambda c: c.connection_id
    )
    own = [c for c in fitting if c.owner == principal]
    return next((c for c in own or fitting if c.state == "active"), None)


def account(connection: Connection) -> Account:
    """What the connector needs to act for this connection."""
    return Account(connection_id=connection.connection_id, subject=connection.subject)

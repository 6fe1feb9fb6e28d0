"""A person changes the arguments on a card: the card is void, and the run asks again about exactly the changed call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.domain.effect import ApprovalState
from orchestrator.errors import Conflict, NotEligible
from orchestrator.store import approvals, items, waits
from orchestrator.store.database import Tx


def edit(tx: Tx, approval_id: str, args: Mapping[str, Any], *, digest: str, by: str, now: datetime) -> None:
    """Voids the card and wakes its run with the changed arguments. Raises as `approvals.decide` does."""
    items.locked(tx, approvals.get(tx, approval_id).item_id)
    card = approvals.get(tx, approval_id)
    if by not in card.eligible:
        raise NotEligible(f"{by} may not change {approval_id}", fix=f"ask one of: {', '.join(card.eligible)}")
    if card.digest != digest:
        raise Conflict(f"{approval_id} is for other arguments than the ones shown", fix="look at it again, then decide")
    if card.state is not ApprovalState.PENDING or card.expires_at <= now:
        raise Conflict(f"{approval_id} can no longer be changed", fix="ask again")
    approvals.void(tx, approval_id, f"edited by {by}", now)
    wait_id = approvals.wait_id_of(tx, approval_id)
    if wait_id is not None:
        waits.answer(tx, card.item_id, wait_id, {"verdict": "edit", "args": dict(args)}, by, now)

"""A person changes the arguments on a card: the card is void, and the run asks again about exactly the changed call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.domain.effect import ApprovalState
from orchestrator.errors import Conflict, NotEligible, UsageError
from orchestrator.store import approvals, effects, items, waits
from orchestrator.store.database import Tx


def edit(tx: Tx, approval_id: str, args: Mapping[str, Any], *, digest: str, by: str, now: datetime) -> None:
    """Voids the card and wakes its run with what `args` changes in the call. Raises as `approvals.decide` does.

    The wait's answer: {"verdict": "edit", "args": {name: new value}, "typed": {name: what the person added}}; both hold only
    arguments that are other than before, and of a list `typed` holds only the new elements. `UsageError` when nothing is.
    """
    items.locked(tx, approvals.get(tx, approval_id).item_id)
    card = approvals.get(tx, approval_id)
    if by not in card.eligible:
        raise NotEligible(f"{by} may not change {approval_id}", fix=f"ask one of: {', '.join(card.eligible)}")
    if card.digest != digest:
        raise Conflict(f"{approval_id} is for other arguments than the ones shown", fix="look at it again, then decide")
    if card.state is not ApprovalState.PENDING or card.expires_at <= now:
        raise Conflict(f"{approval_id} can no longer be changed", fix="ask again")
    before = effects.get(tx, card.effect_id).args
    changed = {name: value for name, value in args.items() if name not in before or before[name] != value}
    if not changed:
        raise UsageError("the edit changes nothing", fix="approve the card as it is, or give another value")
    approvals.void(tx, approval_id, f"edited by {by}", now, actor=by)
    wait_id = approvals.wait_id_of(tx, approval_id)
    if wait_id is not None:
        typed = {name: _added(value, before.get(name)) for name, value in changed.items()}
        waits.answer(tx, card.item_id, wait_id, {"verdict": "edit", "args": changed, "typed": typed}, by, now)


def _added(value: Any, before: Any) -> Any:
    if isinstance(value, list) and isinstance(before, list):
        return [one for one in value if one not in before]
    return value

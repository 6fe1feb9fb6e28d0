"""What the Slack bot keeps at the front desk: deliveries, who is who, threads and the bot's own messages.

Each method is one transaction. It grants nothing: who may see or do something is said by the desk's other verbs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestrator import clock
from orchestrator.deputy.views import audited
from orchestrator.domain.effect import Approval
from orchestrator.domain.item import Item
from orchestrator.domain.principal import Principal
from orchestrator.errors import NotFound
from orchestrator.store import approvals as approvals_table
from orchestrator.store import outbox, slack_inbox, slack_people, slack_posts, steering, worklist
from orchestrator.store.database import Store
from orchestrator.store.slack_inbox import Delivery, Taken
from orchestrator.store.slack_people import Linked
from orchestrator.store.slack_posts import Post

if TYPE_CHECKING:
    from policies.listeners import Readers

log = logging.getLogger("deputy.slack")
DOOR = "slack"
MOST_CARDS = 500
STANDS = timedelta(hours=24)  # a question who somebody is


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What Slack shows of one tree of work, and whom its open cards are for."""

    posts: Sequence[Post]
    cards: Sequence[tuple[Approval, Linked]]  # pending, with each eligible person who is known in Slack


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Addressed news. `item_id`: the root item it is about; None where it is about none (any more)."""

    number: int
    kind: str
    body: Mapping[str, Any]
    item_id: str | None
    requester: str
    address: Mapping[str, Any]


class Slack:
    """Over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # ---- deliveries --------------------------------------------------------------------------------------------------
    def take(self, deliveries: Sequence[Taken]) -> list[bool]:
        """Whether each is new; durable when this returns. Many in one commit, so that a burst is acknowledged in time."""
        return self._store.write(slack_inbox.take, deliveries, now=clock.now(), real=clock.real())

    def claim(self, limit: int) -> list[Delivery]:
        return self._store.write(slack_inbox.claim, clock.real(), limit)

    def done(self, delivery: Delivery) -> None:
        self._store.write(slack_inbox.done, delivery.delivery_id)

    def put_off(self, delivery: Delivery) -> bool:
        """False where it is given up."""
        return self._store.write(slack_inbox.put_off, delivery, clock.real())

    def park(self, delivery: Delivery, about: str) -> None:
        self._store.write(slack_inbox.park, delivery.delivery_id, about)

    def open_deliveries(self) -> int:
        """How many wait to be worked off."""
        with self._store.read() as tx:
            return slack_inbox.count(tx, "taken")

    def parked_deliveries(self) -> int:
        """How many wait for something else to come first."""
        with self._store.read() as tx:
            return slack_inbox.count(tx, "parked")

    def sweep(self) -> None:
        self._store.write(slack_inbox.sweep, clock.real())

    # ---- who is who --------------------------------------------------------------------------------------------------
    def linked(self, sender: str) -> Linked | None:
        with self._store.read() as tx:
            return slack_people.linked(tx, sender)

    def senders_of(self, person: str) -> list[Linked]:
        """Their Slack users, confirmed."""
        with self._store.read() as tx:
            return slack_people.senders_of(tx, person)

    def propose(self, sender: str, person: str, channel: str) -> Linked:
        """To be confirmed by themselves; what was proposed lately still stands."""
        now = clock.now()
        with self._store.tx() as tx:
            known = slack_people.linked(tx, sender)
            if known is not None and known.person == person and known.asked_at > now - STANDS:
                return known
            slack_people.propose(tx, sender, person, channel, now)
            return Linked(sender=sender, person=person, channel=channel, is_confirmed=False, asked_at=now)

    def confirm(self, who: Principal, sender: str) -> bool:
        """From now on this sender speaks as the person; what they had sent before goes on. False where nothing was open."""
        with self._store.tx() as tx:
            if not slack_people.confirm(tx, sender, who.principal_id, clock.now()):
                return False
            slack_inbox.release(tx, waiting_for(sender))
            audited(tx, who, "slack.linked", clock.now(), {"sender": sender, "person": who.principal_id})
            return True

    def decline(self, sender: str) -> None:
        """They are not who their address says: nothing of what they had sent is done, and they may be asked again."""
        with self._store.tx() as tx:
            known = slack_people.linked(tx, sender)
            if known is not None and not known.is_confirmed:
                slack_people.forget(tx, sender)
                slack_inbox.drop(tx, waiting_for(sender))

    def unlink(self, who: Principal, sender: str) -> bool:
        """Their Slack user speaks for nobody any more."""
        with self._store.tx() as tx:
            known = slack_people.linked(tx, sender)
            if known is None or known.person != who.principal_id or not slack_people.forget(tx, sender):
                return False
            audited(tx, who, "slack.unlinked", clock.now(), {"sender": sender, "person": who.principal_id})
            return True

    # ---- threads -----------------------------------------------------------------------------------------------------
    def bind(self, place: str, item_id: str) -> None:
        """The thread is about this item, for whoever asked; what they had said there too early goes on."""
        with self._store.tx() as tx:
            slack_people.bind(tx, place, item_id, clock.now())
            slack_inbox.release(tx, waiting_for(place))

    def release(self, what: str) -> None:
        """What waits for that sender's word, or for that thread's first message, goes on."""
        self._store.write(slack_inbox.release, waiting_for(what))

    def bound(self, place: str) -> str | None:
        """The item that a thread is about: it was asked there, or one of the bot's own messages about it begins the thread."""
        _, channel, ts, _ = place.split("/", 3)
        with self._store.read() as tx:
            found = slack_people.bound(tx, place)
            post = slack_posts.at(tx, channel, ts) if found is None else None
            return post.item_id or None if post is not None else found

    def was_said(self, item_id: str, author: str, text: str, delivery: Delivery) -> bool:
        """Whether a remark of this delivery is there already: it may have been handled before a crash."""
        with self._store.read() as tx:
            return steering.was_said(tx, item_id, author, text, delivery.received_at)

    # ---- the bot's own messages --------------------------------------------------------------------------------------
    def intend(self, post: Post) -> bool:
        return self._store.write(slack_posts.intend, post, clock.now())

    def post(self, post_id: str) -> Post | None:
        with self._store.read() as tx:
            return slack_posts.get(tx, post_id)

    def lease(self, post_id: str) -> Post | None:
        return self._store.write(slack_posts.lease, post_id, clock.real())

    def attempting(self, post_id: str) -> None:
        self._store.write(slack_posts.attempting, post_id, clock.real())

    def record(self, post_id: str, *, ts: str, shown: str | None, settled: bool) -> None:
        self._store.write(slack_posts.record, post_id, ts=ts, shown=shown, settled=settled)

    def let_go(self, post_id: str, *, attempted: bool = True) -> None:
        self._store.write(slack_posts.let_go, post_id, attempted=attempted)

    def moved(self, post_id: str, channel: str, thread_ts: str | None, *, is_private: bool) -> None:
        self._store.write(slack_posts.moved, post_id, channel, thread_ts, is_private=is_private)

    def settle(self, post_ids: Sequence[str]) -> None:
        if post_ids:
            self._store.write(slack_posts.settle, post_ids)

    def followed(self, root_id: str) -> Followed:
        with self._store.read() as tx:
            family = [root_id, *worklist.descendants(tx, root_id)]
            known: dict[str, list[Linked]] = {}
            cards = []
            for approval in approvals_table.of_items(tx, family):
                if approval.state.value != "pending":
                    continue
                for person in approval.eligible:
                    if person not in known:
                        known[person] = slack_people.senders_of(tx, person)
                    cards += [(approval, one) for one in known[person]]
            return Followed(posts=slack_posts.of_item(tx, root_id), cards=cards)

    def readers_of(self, who: Principal, document: Mapping[str, Any]) -> frozenset[Readers] | None:
        """Who could have read what the work behind the document has read; None where that is not known of all of it, and
        where it has changed something, or tried to."""
        from orchestrator.deputy import readings  # no client command needs it

        # INVARIANT: what an effect answered, and that it was done or refused, is for whoever asked.
        if document["effects"] or document["approvals"]:
            return None
        with self._store.read() as tx:
            try:
                return readings.of_work(tx, worklist.get(tx, str(document["item_id"])), who.principal_id)
            except (NotFound, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                log.exception("who may read the answer of %s is not known", document["item_id"])
                return None

    def unsettled(self) -> list[str]:
        """Root items that Slack may show wrongly: with open cards, or with messages that something may still change."""
        with self._store.read() as tx:
            found = dict.fromkeys(slack_posts.unsettled(tx))
            for card in approvals_table.list_pending(tx, limit=MOST_CARDS):
                found[worklist.get(tx, card.item_id).root_id] = None
            return list(found)

    def root_of(self, item_id: str) -> str:
        with self._store.read() as tx:
            return worklist.get(tx, item_id).root_id

    def due(self, limit: int = 100) -> list[Due]:
        """Addressed news of items that Slack was asked to be told, oldest first."""
        return self._due(limit, of_schedules=False)

    def due_news(self, limit: int = 100) -> list[Due]:
        """What schedules did not do as expected, for those of their owners who are told in Slack, oldest first."""
        return self._due(limit, of_schedules=True)

    def _due(self, limit: int, *, of_schedules: bool) -> list[Due]:
        with self._store.read() as tx:
            found = []
            for one in outbox.due(tx, clock.now(), limit, door=DOOR, of_schedules=of_schedules):
                if (one.address or {}).get("door") == DOOR:
                    try:
                        item: Item | None = worklist.get(tx, one.item_id)
                    except NotFound:  # about a schedule, or taken back by a restore
                        item = None
                    found.append(
                        Due(
                            number=one.outbox_id,
                            kind=one.kind,
                            body=dict(one.body),
                            item_id=item.root_id if item is not None else None,
                            requester=item.requester if item is not None else "",
                            address=dict(one.address or {}),
                        )
                    )
            return found

    def told(self, numbers: Sequence[int]) -> None:
        if numbers:
            with self._store.tx() as tx:
                outbox.delivered(tx, numbers, clock.now())


def waiting_for(what: str) -> str:
    """What a parked delivery waits for: somebody's confirmation (a sender), or a thread's first message (a place)."""
    return f"for {what}"

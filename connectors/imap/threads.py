"""Which messages belong together, by References and In-Reply-To (RFC 5322 3.6.4). A thread is named by its root's Message-ID."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from connectors.errors import NotFound
from connectors.imap import criteria, mime
from connectors.imap.mailbox import MOST_AT_ONCE, MOST_ROUNDS, Mailbox, Record

MOST_MESSAGES = 1_000


def thread_id(root: str) -> str:
    return f"thr_{root}" if root.startswith(".") else f"thr_{mime.encode(root)}"


def root_of_id(thread: str) -> str | None:
    """None for what cannot be a thread of this connector."""
    code = thread.removeprefix("thr_")
    if not thread.startswith("thr_") or not code:
        return None
    return code if code.startswith(".") else mime.decode(code)


def roots(box: Mailbox, records: Iterable[Record]) -> dict[str, str]:
    """Root node by message_id. Parents that only In-Reply-To names are looked up, as they may name a root above."""
    heads: dict[str, mime.Head] = {}
    for record in records:
        heads.setdefault(record.head.node, record.head)
    known = dict(heads)
    asked: set[str] = set()
    for _ in range(MOST_ROUNDS):
        missing = {up for head in known.values() if (up := _only_parent(head)) is not None and up not in known} - asked
        if not missing:
            break
        asked |= missing
        for copy in box.lookup(missing):
            known.setdefault(copy.head.node, copy.head)
    return {head.message_id: _climb(head, known) for head in heads.values()} | {
        record.head.message_id: _climb(record.head, known) for record in records
    }


def _only_parent(head: mime.Head) -> str | None:
    return None if head.references else head.parent


def _climb(head: mime.Head, known: Mapping[str, mime.Head]) -> str:
    seen: set[str] = set()
    while True:
        seen.add(head.node)
        up = head.references[0] if head.references else head.parent
        if up is None or up in seen:
            return head.node
        above = known.get(up)
        if above is None:
            return up
        head = above


def family(box: Mailbox, root: str) -> list[Record]:
    """Every message of a thread the account holds, oldest first; trash and junk aside."""
    if root.startswith("."):
        return box.merge(box.unnamed(root[1:]))
    places = box.searched()
    copies = {(copy.folder, copy.uid): copy for copy in box.find(places, _about([root], is_root=True))}
    looked, fresh = {root}, {copy.head.node for copy in copies.values()} - {root}
    for _ in range(MOST_ROUNDS):
        if not fresh or len(copies) > MOST_MESSAGES:
            break
        some = sorted(node for node in fresh if not node.startswith("."))
        for start in range(0, len(some), MOST_AT_ONCE):
            for copy in box.find(places, _about(some[start : start + MOST_AT_ONCE], is_root=False)):
                copies[copy.folder, copy.uid] = copy
        looked |= fresh
        fresh = {copy.head.node for copy in copies.values()} - looked
    records = box.merge(copies.values())
    mine = roots(box, records)
    return sorted((one for one in records if mine[one.head.message_id] == root), key=lambda one: one.order)


def _about(nodes: Sequence[str], *, is_root: bool) -> str:
    # Whoever has References names the root in them; below it only those without are still to be found.
    if is_root:
        names = ("Message-ID", "References", "In-Reply-To")
        return criteria.any_of([criteria.header(name, node) for node in nodes for name in names])
    answers = criteria.any_of([criteria.header("In-Reply-To", node) for node in nodes])
    return f'({answers}) NOT (HEADER References "")'


def of(box: Mailbox, thread: str) -> list[Record]:
    """NotFound where the account holds none of it."""
    root = root_of_id(thread)
    records = [] if root is None else family(box, root)
    if not records:
        raise NotFound(f"the mailbox has no thread {thread[:200]!r}", fix="Find it with mail.search.")
    return records


def spoken(box: Mailbox, records: Iterable[Record]) -> list[Record]:
    """Those that somebody wrote: no drafts, no trash, nothing a machine sent."""
    silent = ("draft", "trash", "junk")
    return [
        one
        for one in records
        if one.first.speaks and any(box.roles.get(copy.folder) not in silent for copy in one.copies)
    ]

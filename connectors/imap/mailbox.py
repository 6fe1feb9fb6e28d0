"""One account's mailbox: its folders by role, and messages merged over the folders that hold copies of them.

What a message's header says never changes under one UIDVALIDITY, so it is read once and kept; flags are always asked anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.errors import NotFound
from connectors.imap import criteria, labels, mime, responses
from connectors.imap.home import Home
from connectors.imap.line import Line

HEADERS = (
    "BODY.PEEK[HEADER.FIELDS (FROM SENDER TO CC SUBJECT DATE MESSAGE-ID IN-REPLY-TO REFERENCES RECEIVED CONTENT-TYPE"
    " AUTO-SUBMITTED PRECEDENCE LIST-ID LIST-UNSUBSCRIBE X-AUTOREPLY X-AUTORESPOND)]"
)
MOST_KEPT = 50_000  # headers in memory, about 1 KB each
MOST_AT_ONCE = 15  # Message-IDs in one SEARCH
MOST_ROUNDS = 10
SPECIAL_USE = {"\\sent": "sent", "\\drafts": "draft", "\\trash": "trash", "\\archive": "archive", "\\junk": "junk"}
WELL_KNOWN = {
    "sent": ("sent", "sent items", "sent messages", "sent mail"),
    "draft": ("drafts", "draft"),
    "trash": ("trash", "deleted items", "deleted messages", "bin"),
    "archive": ("archive", "archives", "all mail"),
    "junk": ("junk", "spam", "junk e-mail", "junk mail", "bulk mail"),
}
DEFAULT_NAME = {"sent": "Sent", "draft": "Drafts", "trash": "Trash", "archive": "Archive"}
ASIDE = ("trash", "junk")  # searched only by their label


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One message in one folder."""

    folder: str
    uid: int
    head: mime.Head
    arrived_at: datetime
    size_bytes: int
    attached: bool
    invites: bool

    @property
    def sent_at(self) -> datetime:
        """As its Date says, unless that is later than it came: nobody may date a mail into the future to stand on top."""
        dated = self.head.dated_at
        return self.arrived_at if dated is None or dated > self.arrived_at + timedelta(days=1) else dated

    @property
    def speaks(self) -> bool:
        return not (self.head.automated or self.invites)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A message with all copies that were found of it; `first` is the one whose content counts."""

    first: Copy
    copies: tuple[Copy, ...]

    @property
    def head(self) -> mime.Head:
        return self.first.head

    @property
    def order(self) -> tuple[int, int, str]:
        """Total, and an answer of the same second comes after what it answers."""
        depth = len(self.head.references) or int(self.head.parent is not None)
        return int(self.first.sent_at.timestamp()), depth, self.head.message_id


class Mailbox:
    """Lives as long as the account's connection is kept; used by one thread at a time."""

    def __init__(self, home: Home, line: Line) -> None:
        self.home, self.line = home, line
        self.roles: dict[str, str] = {}  # folder → role
        self._kept: OrderedDict[tuple[str, int, int], Copy] = OrderedDict()
        self._snippets: OrderedDict[tuple[str, int, int], str] = OrderedDict()
        self._plain: list[str] = []  # folders without a role

    def open(self) -> None:
        """Looks which folders there are; at the start of every call, as others may have made some."""
        listed = [(name, flags) for name, flags in self.line.folders() if not flags & {"\\noselect", "\\nonexistent"}]
        real = {name: flags for name, flags in listed if not flags & {"\\all", "\\flagged", "\\important"}}
        found: dict[str, str] = {"inbox": next((name for name in real if name.upper() == "INBOX"), "INBOX")}
        found |= dict(self.home.folders)
        for name, flags in real.items():
            for flag in flags & set(SPECIAL_USE):
                found.setdefault(SPECIAL_USE[flag], name)
        for role, usual in WELL_KNOWN.items():
            for name in real:
                last = name.replace(".", "/").rpartition("/")[2].lower()
                if name not in found.values() and last in usual:
                    found.setdefault(role, name)
        self.roles = {name: role for role, name in found.items() if name in real or role in ("inbox",)}
        self._plain = [name for name in real if name not in self.roles]

    def folder(self, role: str) -> str:
        """The folder of a role; made where the account has none."""
        for name, its in self.roles.items():
            if its == role:
                return name
        name = self.home.folders.get(role) or DEFAULT_NAME[role]
        self.line.create(name)
        self.roles[name] = role
        return name

    def searched(self, *aside: str) -> list[str]:
        """Every folder but trash and junk, unless these are named."""
        kept = [name for name, role in self.roles.items() if role not in ASIDE or role in aside]
        return kept + self._plain

    def labelled(self, label: str) -> list[str] | None:
        """The folders that a label names; None where it is a flag or keyword."""
        found = [name for name, role in self.roles.items() if role == label]
        found += [name for name in self._plain if name == label]
        return found or ([] if label in labels.ROLES else None)

    def find(self, folders: Iterable[str], keys: str) -> list[Copy]:
        found: list[Copy] = []
        for folder in folders:
            self.line.select(folder)
            found += self.read(folder, self.line.search(keys))
        return found

    def read(self, folder: str, uids: Sequence[int]) -> list[Copy]:
        """Copies of the selected folder, those that vanished left out."""
        validity = self.line.validity[folder]
        missing = [uid for uid in uids if (folder, validity, uid) not in self._kept]
        for items in self.line.fetch(missing, f"INTERNALDATE RFC822.SIZE BODYSTRUCTURE {HEADERS}"):
            copy = _copy(folder, items)
            self._kept[folder, validity, copy.uid] = copy
        found = [self._kept[key] for uid in uids if (key := (folder, validity, uid)) in self._kept]
        while len(self._kept) > max(MOST_KEPT, len(uids)):
            self._kept.popitem(last=False)
        return found

    def merge(self, copies: Iterable[Copy]) -> list[Record]:
        """Copies of one message are one record. Of several the own sent one counts, else the one that came first.

        INVARIANT: who sends a second mail under a known Message-ID, Date, Subject and author does not replace the first.
        """
        groups: dict[str, dict[tuple[str, int], Copy]] = {}
        for copy in copies:
            groups.setdefault(copy.head.message_id, {})[copy.folder, copy.uid] = copy
        records = []
        for group in groups.values():
            ordered = sorted(group.values(), key=self._rank)
            records.append(Record(first=ordered[0], copies=tuple(ordered)))
        return records

    def _rank(self, copy: Copy) -> tuple[bool, datetime, str, int]:
        return self.roles.get(copy.folder) != "sent", copy.arrived_at, copy.folder, copy.uid

    def lookup(self, mids: Iterable[str], *, folders: Sequence[str] | None = None) -> list[Copy]:
        """Copies that bear one of these Message-IDs, wherever they are."""
        wanted = list(dict.fromkeys(mids))
        places = self.searched(*ASIDE) if folders is None else folders
        found: list[Copy] = []
        for start in range(0, len(wanted), MOST_AT_ONCE):
            some = wanted[start : start + MOST_AT_ONCE]
            copies = self.find(places, criteria.any_of([criteria.named(mid) for mid in some]))
            found += [copy for copy in copies if copy.head.mid in some]  # HEADER finds parts of words as well
        return found

    def message(self, message_id: str) -> Record:
        """NotFound unless the account holds it. Copies in the trash count only where there are no others."""
        found = [record for record in self.merge(self._by_id(message_id)) if record.head.message_id == message_id]
        if not found:
            raise NotFound(f"the mailbox has no message {message_id[:200]!r}", fix="Find it with mail.search.")
        kept = [copy for copy in found[0].copies if self.roles.get(copy.folder) not in ASIDE]
        return self.merge(kept)[0] if kept else found[0]

    def _by_id(self, message_id: str) -> list[Copy]:
        code, _, rest = message_id.removeprefix("msg_").partition(".")
        if not message_id.startswith("msg_"):
            return []
        if code:
            mid = mime.decode(code)
            return [] if mid is None else self.lookup([mid])
        return self.unnamed(rest)

    def unnamed(self, rest: str) -> list[Copy]:
        """Copies without a readable Message-ID, of the day that the fallback id (fingerprint.day) ends with."""
        _, _, day = rest.partition(".")
        copies = self.find(self.searched(*ASIDE), criteria.on_day(day))
        return [copy for copy in copies if copy.head.node == f".{rest}"]

    def flags(self, records: Iterable[Record]) -> dict[tuple[str, int], frozenset[str]]:
        """As they are now, per folder and UID; copies that vanished are missing."""
        found: dict[tuple[str, int], frozenset[str]] = {}
        for folder, uids in _by_folder(records).items():
            self.line.select(folder)
            for items in self.line.fetch(uids, "FLAGS"):
                found[folder, int(items["UID"])] = frozenset(one.decode("ascii", "replace") for one in items["FLAGS"])
        return found

    def snippets(self, records: Sequence[Record], length: int) -> dict[str, str]:
        """The beginning of each text, by message_id, from the first 32 KB of the message."""
        found: dict[str, str] = {}
        for folder, uids in _by_folder([Record(first=one.first, copies=(one.first,)) for one in records]).items():
            validity = self.line.select(folder)
            missing = [uid for uid in uids if (folder, validity, uid) not in self._snippets]
            for items in self.line.fetch(missing, "BODY.PEEK[]<0.32768>"):
                text = " ".join(mime.body_of(mime.parse(items.get("BODY") or b"")).split())
                self._snippets[folder, validity, int(items["UID"])] = text[:length]
            for record in records:
                if record.first.folder == folder:
                    found[record.head.message_id] = self._snippets.get((folder, validity, record.first.uid), "")
        while len(self._snippets) > MOST_KEPT:
            self._snippets.popitem(last=False)
        return found

    def raw(self, copy: Copy, *, at_most: int) -> bytes:
        """The message itself, or its beginning where it is longer."""
        self.line.select(copy.folder)
        for items in self.line.fetch([copy.uid], f"BODY.PEEK[]<0.{at_most}>"):
            return bytes(items.get("BODY") or b"")
        raise NotFound("the message has just been moved", fix="Read it again.")


def _by_folder(records: Iterable[Record]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for record in records:
        for copy in record.copies:
            found.setdefault(copy.folder, []).append(copy.uid)
    return found


def _copy(folder: str, items: dict[str, Any]) -> Copy:
    attached, invites = responses.shape(items.get("BODYSTRUCTURE"))
    try:
        arrived_at = parsedate_to_datetime(items["INTERNALDATE"].decode("ascii").replace("-", " ", 2)).astimezone(UTC)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        arrived_at = datetime.fromtimestamp(0, UTC)
    return Copy(
        folder=folder,
        uid=int(items["UID"]),
        head=mime.head_of(mime.parse(items.get("BODY") or b"")),
        arrived_at=arrived_at,
        size_bytes=int(items.get("RFC822.SIZE") or 0),
        attached=attached,
        invites=invites,
    )

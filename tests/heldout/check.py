"""The rules of the held-out requests: what a line may say and how the whole file must be balanced.

It never resolves a placeholder and never runs a matcher. The test beside it calls `problems`; by hand,
`python tests/heldout/check.py` prints the problems, if any, and the counts per expectation, kind and workflow.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REQUESTS = Path(__file__).parent / "requests.jsonl"

LEAST_REQUESTS = 340
LEAST_NEAR_MISS_SHARE = 0.45
LEAST_RUNS_PER_WORKFLOW = 9
MOST_REQUESTS_SHARING_A_PHRASE = 3
PHRASE_WORDS = 5

KEYS = ("id", "text", "expect", "workflow", "slots", "kind", "why")
EXPECTATIONS = ("run", "ask", "abstain")
KINDS = (
    "plain",
    "paraphrase",
    "negation",
    "wrong_verb",
    "wrong_scope",
    "two_people",
    "other_topic",
    "leftover_meaning",
    "missing_slot",
    "conditional",
    "multi_request",
    "quantifier",
)
KINDS_OF = {
    "run": {"plain", "paraphrase"},
    "ask": {"two_people", "missing_slot"},
    "abstain": set(KINDS) - {"plain", "paraphrase", "missing_slot"},
}
PLACEHOLDERS = {"P1", "P2", "P3", "F1", "A1", "X1", "CH1", "EV1", "TEAM1", "SUP1"}

# Per workflow: the slots it has, and the sets of slots of which one must be complete before it may run.
SLOTS: dict[str, tuple[set[str], list[set[str]]]] = {
    "schedule-call-from-mail": ({"person", "minutes", "window"}, [{"person"}]),
    "move-meeting": ({"event", "when"}, [{"event", "when"}]),
    "cancel-meeting": ({"event", "reason"}, [{"event"}]),
    "morning-brief": ({"day"}, [set()]),
    "find-group-time": ({"people", "minutes", "window"}, [{"people"}]),
    "book-group-meeting": ({"people", "minutes", "title", "window"}, [{"people", "title"}]),
    "reply-with-availability": ({"person", "minutes", "window"}, [{"person"}]),
    "follow-up-unanswered": ({"days", "person"}, [set()]),
    "notes-to-channel": ({"event", "person", "channel"}, [{"event", "channel"}, {"person", "channel"}]),
    "unread-by-sender": ({"since"}, [set()]),
    "out-of-office-cover": ({"start", "end", "cover"}, [{"start", "end", "cover"}]),
    "forward-invoice": ({"person", "approver"}, [set()]),
    "channel-decisions": ({"channel", "since"}, [{"channel"}]),
    "welcome-colleague": ({"person"}, [{"person"}]),
}
NUMBER_SLOTS = {"minutes", "days"}
LIST_SLOTS = {"people"}
# The one slot value that is a name for a meaning; every other word of a slot stands in the text.
NAMED_VALUES = {("when", "next free")}

Row = dict[str, Any]


def words(text: str) -> list[str]:
    """Lower-case words in order; a placeholder counts as one word."""
    return re.findall(r"\{[a-z0-9]+\}|[#\w]+(?:['’][\w]+)?", text.lower())


def load(path: Path = REQUESTS) -> list[Row]:
    """The requests in file order, one object per line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def shared_phrases(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Phrases of five words that too many requests share, each with the ids of these requests."""
    seen: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        tokens = words(row["text"])
        for phrase in {" ".join(tokens[i : i + PHRASE_WORDS]) for i in range(len(tokens) - PHRASE_WORDS + 1)}:
            seen[phrase].append(row["id"])
    return {phrase: ids for phrase, ids in seen.items() if len(ids) > MOST_REQUESTS_SHARING_A_PHRASE}


def near_miss_share(rows: Sequence[Row]) -> float:
    """The share, 0 to 1, of requests that must not simply run."""
    near_misses = [row for row in rows if row["expect"] != "run"]
    return len(near_misses) / len(rows)


def slot_problems(row: Row) -> list[str]:
    """What is wrong with the slots of one request that names a workflow."""
    found: list[str] = []
    known, complete = SLOTS[row["workflow"]]
    slots: dict[str, Any] = row["slots"]
    if extra := set(slots) - known:
        found.append(f"slots {sorted(extra)} are not slots of {row['workflow']}")
    is_complete = any(needed <= set(slots) for needed in complete)
    if row["expect"] == "run" and not is_complete:
        found.append("runs without a required slot")
    names_a_doubtful_person = "{A1}" in row["text"] or "{X1}" in row["text"]
    if row["expect"] == "ask" and is_complete and not names_a_doubtful_person:
        found.append("asks although every required slot is given by a unique name")
    text_words = set(words(row["text"]))
    for name, value in slots.items():
        if name in NUMBER_SLOTS:
            if type(value) is not int or value < 1:
                found.append(f"{name} must be a whole number above 0")
            continue
        is_list = isinstance(value, list)
        if is_list != (name in LIST_SLOTS):
            found.append(f"{name} has the wrong shape")
        for part in value if is_list else [value]:
            if (name, part) not in NAMED_VALUES and not set(words(part)) <= text_words:
                found.append(f"{name}={part!r} uses words that the text does not have")
    return found


def row_problems(row: Row) -> list[str]:
    """What is wrong with one request on its own."""
    if tuple(row) != KEYS:
        return [f"keys are {list(row)}, must be {list(KEYS)}"]
    found: list[str] = []
    if row["expect"] not in EXPECTATIONS or row["kind"] not in KINDS:
        return [f"unknown expectation {row['expect']!r} or kind {row['kind']!r}"]
    if row["kind"] not in KINDS_OF[row["expect"]]:
        found.append(f"kind {row['kind']} does not go with {row['expect']}")
    if not row["text"].strip() or not row["why"].strip():
        found.append("text and why must say something")
    if unknown := set(re.findall(r"\{([^}]*)\}", row["text"])) - PLACEHOLDERS:
        found.append(f"unknown placeholders {sorted(unknown)}")
    if re.search(r"\b(19|20)\d\d\b", row["text"]):
        found.append("dates must not name a year")
    if row["expect"] == "abstain":
        if row["workflow"] is not None or row["slots"]:
            found.append("abstains, so it names no workflow and no slots")
    elif row["workflow"] not in SLOTS:
        found.append(f"unknown workflow {row['workflow']!r}")
    else:
        found += slot_problems(row)
    if row["expect"] == "run" and ("{A1}" in row["text"] or "{X1}" in row["text"]):
        found.append("runs although a name is ambiguous or unknown")
    return found


def problems(rows: Sequence[Row]) -> list[str]:
    """Every broken rule as one sentence, empty when the file is sound."""
    found = [f"{row.get('id')}: {problem}" for row in rows for problem in row_problems(row)]
    if found:
        return found
    if [row["id"] for row in rows] != [f"h{i:03}" for i in range(1, len(rows) + 1)]:
        found.append("ids must count up from h001 without a gap")
    repeated = [text for text, times in Counter(" ".join(words(row["text"])) for row in rows).items() if times > 1]
    found += [f"said twice: {text}" for text in repeated]
    found += [f"{ids} share {phrase!r}" for phrase, ids in shared_phrases(rows).items()]
    if len(rows) < LEAST_REQUESTS:
        found.append(f"{len(rows)} requests, at least {LEAST_REQUESTS} needed")
    if near_miss_share(rows) < LEAST_NEAR_MISS_SHARE:
        found.append(f"near misses are {near_miss_share(rows):.1%}, at least {LEAST_NEAR_MISS_SHARE:.0%} needed")
    runs = Counter(row["workflow"] for row in rows if row["expect"] == "run")
    found += [
        f"{workflow} runs {runs[workflow]} times, at least {LEAST_RUNS_PER_WORKFLOW} needed"
        for workflow in SLOTS
        if runs[workflow] < LEAST_RUNS_PER_WORKFLOW
    ]
    kinds = {row["kind"] for row in rows}
    found += [f"no request of kind {kind}" for kind in KINDS if kind not in kinds]
    return found


def report(rows: Sequence[Row]) -> str:
    """The counts as text, one line per expectation, kind and workflow."""
    expects = Counter(row["expect"] for row in rows)
    kinds = Counter((row["kind"], row["expect"]) for row in rows)
    workflows = Counter((row["workflow"], row["expect"]) for row in rows if row["workflow"])
    lines = [f"{len(rows)} requests, near misses {near_miss_share(rows):.1%}"]
    lines += [f"  {name:<26}{expects[name]:>4}" for name in EXPECTATIONS]
    header = "".join(f"{name:>9}" for name in EXPECTATIONS)
    for title, counts, names in (("kind", kinds, list(KINDS)), ("workflow", workflows, list(SLOTS))):
        lines.append(f"{title:<28}{header}")
        lines += [f"  {name:<26}" + "".join(f"{counts[name, expect]:>9}" for expect in EXPECTATIONS) for name in names]
    return "\n".join(lines)


def main() -> int:
    """Prints problems and counts; 0 when the file is sound, 1 when a rule is broken."""
    rows = load()
    found = problems(rows)
    print("\n".join(found) if found else "sound")
    print(report(rows))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

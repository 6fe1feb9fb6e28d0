"""Measures routing on the held-out requests: what share runs rightly, and how often anything runs wrongly.

    python -m tests.heldout.measure [--worlds 200] [--repeat 1] [--seed 7] [--out FILE]

Each request is said in `repeat` of the random worlds. All of them go through the routing function that the worker uses;
those of every fifth world also go the whole way (submitted, worked on, looked up again), and both must agree. Wrong runs are
written to --out only: the texts are for measuring, and nobody who works on the matcher should have to look away.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator import app
from orchestrator.settings import Settings
from orchestrator.workflows.route import route
from tests.heldout import worlds
from tests.heldout.judge import Did, Judgement, Row, Verdict, did, judge

HERE = Path(__file__).parent
REQUESTS = HERE / "requests.jsonl"
DISPUTED = HERE / "disputed.json"
WHOLE_WAY_EVERY = 5
AT_REST = frozenset({"waiting", "done", "failed", "denied", "needs_model"})
CONFIDENCE = 0.95
RIGHT = (Verdict.RIGHT_RUN, Verdict.RIGHT_ASK, Verdict.RIGHT_ABSTAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One request in one world. `whole_way`: what the item ended as, where it went the whole way; `disagreement`: how that
    differs from the routing function; `effects`: what a run would touch that it should not."""

    row: Row
    world: int
    text: str
    judgement: Judgement
    whole_way: str | None = None
    disagreement: str | None = None
    strays: Sequence[str] = ()
    title_source: str = ""

    @property
    def verdict(self) -> Verdict:
        return self.judgement.verdict


def load_requests() -> list[Row]:
    return [json.loads(line) for line in REQUESTS.read_text(encoding="utf-8").splitlines()]


def load_disputed() -> Mapping[str, str]:
    """Ids of requests whose expectation is plainly mistaken, with the reason. They stay in the strict figures."""
    found: dict[str, str] = json.loads(DISPUTED.read_text(encoding="utf-8"))
    return found


def digest() -> str:
    return hashlib.sha256(REQUESTS.read_bytes()).hexdigest()


# ---- saying the requests ---------------------------------------------------------------------------------------------


def deal(rows: Sequence[Row], *, world_count: int, repeat: int, seed: int) -> dict[int, list[Row]]:
    """Which requests are said in which world: each in `repeat` different worlds, spread evenly."""
    if repeat > world_count:
        raise ValueError(f"a request cannot be said in {repeat} of {world_count} worlds; give more worlds")
    hands: dict[int, list[Row]] = defaultdict(list)
    order = list(rows)
    random.Random(f"deal/{seed}").shuffle(order)
    for place, row in enumerate(order):
        for turn in range(repeat):
            hands[(place + turn) % world_count].append(row)
    return hands


def say_in_world(number: int, rows: Sequence[Row], seed: int) -> list[Trial]:
    """Builds one world in a folder of its own and says the requests there."""
    with tempfile.TemporaryDirectory(prefix="deputy-heldout-") as folder:
        settings = Settings.load(home=Path(folder), model="none", warn=lambda text: None)
        world = worlds.build(settings.office_file, number=number, seed_of_run=seed)
        library = app.library(settings)
        assert not library.faults, library.faults
        whole_way = number % WHOLE_WAY_EVERY == 0
        documents = go_whole_way(settings, [world.fill(row).text for row in rows]) if whole_way else [None] * len(rows)
        trials = []
        for row, document in zip(rows, documents, strict=True):
            filled = world.fill(row)
            answer = route(
                library,
                filled.text,
                {},
                people=world.people,
                now=world.now,
                zone=world.me.zone,
                me=world.me,
            )
            trials.append(
                Trial(
                    row=row,
                    world=number,
                    text=filled.text,
                    judgement=judge(row, filled, world, answer),
                    whole_way=_end_of(document) if document else None,
                    disagreement=compare(answer, document) if document else None,
                    strays=strays(row, filled, world, document) if document else (),
                    title_source=world.title_source if "{EV1}" in row["text"] else "",
                )
            )
        return trials


def go_whole_way(settings: Settings, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Submits the requests at the front desk, lets a worker do all it may without a person, and returns the item documents."""
    desk = app.desk(settings)
    try:
        who = desk.principal(None)
        ids = [desk.submit(who, text, options={}) for text in texts]
        app.run_worker(settings, until_idle=True)
        return [desk.item(who, item_id) for item_id in ids]
    finally:
        desk.close()


def done_with(document: Mapping[str, Any]) -> Did:
    """What the worker did, read off the item document alone."""
    if document["state"] == "needs_model":
        return Did.ABSTAINED
    questions = document.get("questions") or []
    return Did.ASKED if any(":slot." in one["question_id"] for one in questions) else Did.RAN


def _end_of(document: Mapping[str, Any]) -> str:
    """The item's state, with what it waits for or why it ended."""
    why = [*document["waiting_on"], *([document["error"]["code"]] if document["error"] else [])]
    return " ".join([document["state"], *(one for one in why if one != document["state"])])


def compare(answer: Any, document: Mapping[str, Any]) -> str | None:
    """How the worker and the routing function differ about one request, None if they agree."""
    if document["state"] not in AT_REST:
        return f"the worker stopped with the item {document['state']}"
    here, there = did(answer), done_with(document)
    if here is not there:
        return f"routing {here.value}, worker {there.value} ({document['state']}, {document['waiting_on']})"
    if here is Did.ABSTAINED:
        return None
    if answer.workflow.name != document["match"]["workflow"]:
        return f"routing {answer.workflow.name}, worker {document['match']['workflow']}"
    ours = {slot.name: _settled(slot.value) for slot in answer.slots}
    theirs = {slot["name"]: _settled(slot["value"]) for slot in document["slots"]}
    return None if ours == theirs else f"routing {ours}, worker {theirs}"


def _settled(value: Any) -> Any:
    """A window that begins now moves on between two looks: its start counts by the day."""
    if isinstance(value, dict) and "start" in value and "end" in value:
        return {**value, "start": datetime.fromisoformat(value["start"]).date().isoformat()}
    return value


def strays(row: Row, filled: worlds.Filled, world: worlds.World, document: Mapping[str, Any]) -> list[str]:
    """For a request that should run: other events than the one named, other people than those named, in what would go out."""
    if row["expect"] != "run" or done_with(document) is not Did.RAN:
        return []
    named = {ref for refs in filled.refs.values() for ref in refs}
    named |= {one.address for one in world.people if "invoice approver" in one.role.lower()}
    if row["workflow"] == "follow-up-unanswered" and "person" not in row["slots"]:
        named |= {one.address for one in world.people}
    found = []
    for effect in document["effects"]:
        args = effect["args"]
        if effect["tool"] in ("calendar.update_event", "calendar.cancel_event") and args["event_id"] != world.event_id:
            found.append(f"{effect['tool']} on another event")
        people = [*_listed(args.get("to")), *_listed(args.get("attendees")), *_listed(args.get("people"))]
        if other := sorted(set(people) - named - {world.me.address}):
            found.append(f"{effect['tool']} reaches {other}")
    return found


def _listed(value: Any) -> list[str]:
    found = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    return [str(one) for one in found if "@" in str(one)]


def measure(*, world_count: int = 200, repeat: int = 1, seed: int = 7, processes: int = 2) -> list[Trial]:
    """All trials, in an order that does not depend on timing."""
    hands = deal(load_requests(), world_count=world_count, repeat=repeat, seed=seed)
    jobs = [(number, hands[number], seed) for number in sorted(hands)]
    if processes == 1:
        found = [say_in_world(*job) for job in jobs]
    else:
        with ProcessPoolExecutor(max_workers=processes, mp_context=multiprocessing.get_context("spawn")) as pool:
            found = list(pool.map(say_in_world, *zip(*jobs, strict=True), chunksize=5))
    return [trial for trials in found for trial in trials]


# ---- figures ---------------------------------------------------------------------------------------------------------


def chance_of_at_most(count: int, tries: int, probability: float) -> float:
    """P(X <= count) for X binomial(tries, probability)."""
    if probability <= 0 or count >= tries:
        return 1.0
    if probability >= 1:
        return 0.0
    logs = [
        math.lgamma(tries + 1)
        - math.lgamma(k + 1)
        - math.lgamma(tries - k + 1)
        + k * math.log(probability)
        + (tries - k) * math.log1p(-probability)
        for k in range(count + 1)
    ]
    most = max(logs)
    return min(1.0, math.exp(most) * math.fsum(math.exp(one - most) for one in logs))


def upper_bound(count: int, tries: int, confidence: float = CONFIDENCE) -> float:
    """Clopper-Pearson: the one-sided upper bound of a share of which `count` of `tries` were seen. 1 where nothing was tried."""
    if count >= tries:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if chance_of_at_most(count, tries, middle) > 1 - confidence else (low, middle)
    return high


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts over trials, but `wrong_requests`, of `requests`: a request counts there once, as wrong if it ran wrongly in any
    world. Bounds are taken over requests, as worlds repeat a text and are no new evidence about language."""

    trials: int
    requests: int
    verdicts: Mapping[Verdict, int]
    wrong_requests: int
    requests_that_ran: int
    expected: Mapping[str, int]

    @property
    def wrong(self) -> int:
        return self.verdicts[Verdict.WRONG_RUN]

    @property
    def runs(self) -> int:
        return self.wrong + self.verdicts[Verdict.RIGHT_RUN]

    @property
    def recall(self) -> float:
        return self.verdicts[Verdict.RIGHT_RUN] / self.expected["run"] if self.expected["run"] else 1.0


def figures(trials: Sequence[Trial]) -> Figures:
    ran = {trial.row["id"] for trial in trials if trial.judgement.did is Did.RAN}
    wrong = {trial.row["id"] for trial in trials if trial.verdict is Verdict.WRONG_RUN}
    counts = Counter(trial.verdict for trial in trials)
    expected = Counter(trial.row["expect"] for trial in trials)
    return Figures(
        trials=len(trials),
        requests=len({trial.row["id"] for trial in trials}),
        verdicts={verdict: counts[verdict] for verdict in Verdict},
        wrong_requests=len(wrong),
        requests_that_ran=len(ran),
        expected={name: expected[name] for name in ("run", "ask", "abstain")},
    )


def summary(name: str, trials: Sequence[Trial]) -> str:
    """The figures over some of the trials, as text."""
    f = figures(trials)
    right = sum(f.verdicts[verdict] for verdict in RIGHT)
    other = f.trials - right - f.wrong
    lines = [
        f"{name}: n = {f.trials} ({f.requests} requests)",
        f"  right {right}/{f.trials}, wrong {f.wrong}/{f.trials}, missed or asked for nothing {other}/{f.trials}",
        f"  recall: {f.verdicts[Verdict.RIGHT_RUN]}/{f.expected['run']} = {f.recall:.1%} of what should run runs rightly",
        f"  questions: {f.verdicts[Verdict.RIGHT_ASK]}/{f.expected['ask']} of those that are due are asked",
        f"  abstentions: {f.verdicts[Verdict.RIGHT_ABSTAIN]}/{f.expected['abstain']} of those that are due",
        f"  wrong runs over all requests: {_rate(f.wrong_requests, f.requests)}",
        f"  wrong runs over requests that ran: {_rate(f.wrong_requests, f.requests_that_ran)}",
        "  " + ", ".join(f"{verdict.value} {count}" for verdict, count in f.verdicts.items()),
    ]
    return "\n".join(lines)


def _rate(count: int, tries: int) -> str:
    share = f"{count / tries:.2%}" if tries else "none"
    return f"{count}/{tries} = {share}, at most {upper_bound(count, tries):.2%} with 95 % confidence"


def table(title: str, trials: Sequence[Trial], key: Callable[[Trial], str]) -> str:
    """Counts of every verdict per kind or workflow."""
    groups: dict[str, Counter[Verdict]] = defaultdict(Counter)
    for trial in trials:
        groups[key(trial)][trial.verdict] += 1
    lines = [f"{title:<26}{'n':>5}" + "".join(f"{verdict.value:>18}" for verdict in Verdict)]
    for name in sorted(groups):
        counts = groups[name]
        lines.append(f"  {name:<24}{counts.total():>5}" + "".join(f"{counts[verdict]:>18}" for verdict in Verdict))
    return "\n".join(lines)


def of_workflow(trial: Trial) -> str:
    """The workflow expected; where none may run, the one that ran, if any."""
    return trial.row["workflow"] or (f"(none) {trial.judgement.workflow}" if trial.judgement.workflow else "(none)")


def report(trials: Sequence[Trial]) -> str:
    """Everything that may be told without telling a text."""
    disputed = load_disputed()
    whole = [trial for trial in trials if trial.whole_way is not None]
    late = [t for t in trials if t.verdict is Verdict.RIGHT_ASK and t.judgement.problems]
    ends = Counter(trial.whole_way for trial in whole if trial.judgement.did is Did.RAN)
    parts = [
        f"requests.jsonl sha256 {digest()}",
        summary("strict, all requests", trials),
        summary(f"without the {len(disputed)} disputed requests", [t for t in trials if t.row["id"] not in disputed]),
        f"right questions that hold another slot wrong: {len(late)}",
        f"the whole way: {len(whole)} requests, {sum(t.disagreement is not None for t in whole)} disagree with the routing; "
        f"runs ended as {dict(sorted(ends.items(), key=str))}; touching what they should not: {sum(bool(t.strays) for t in whole)}",
        titles(trials),
        table("by kind", trials, lambda trial: trial.row["kind"]),
        table("by workflow", trials, of_workflow),
    ]
    return "\n\n".join(parts)


def titles(trials: Sequence[Trial]) -> str:
    """Recall of the requests that name a meeting, by where its title comes from."""
    lines = ["requests that name a meeting by its title and should run:"]
    for source, words in (("calendar", "titles of the office's own meetings"), ("invented", "titles invented here")):
        named = [t for t in trials if t.title_source == source and t.row["expect"] == "run"]
        right = sum(t.verdict is Verdict.RIGHT_RUN for t in named)
        lines.append(f"  {words}: {right}/{len(named)} run rightly")
    return "\n".join(lines)


def details(trials: Iterable[Trial]) -> str:
    """One JSON line for each trial that went wrong in any way, wrong runs first. For the measurer's eyes."""
    wrong = [t for t in trials if t.verdict not in RIGHT or t.disagreement or t.strays or t.judgement.problems]
    wrong.sort(key=lambda t: (t.verdict is not Verdict.WRONG_RUN, t.verdict.value, t.row["id"], t.world))
    return "".join(
        json.dumps(
            {
                "verdict": t.verdict.value,
                "id": t.row["id"],
                "kind": t.row["kind"],
                "expected": t.row["workflow"],
                "got": t.judgement.workflow,
                "problems": list(t.judgement.problems),
                "world": t.world,
                "text": t.text,
                "whole_way": t.whole_way,
                "disagreement": t.disagreement,
                "strays": list(t.strays),
            },
            ensure_ascii=False,
        )
        + "\n"
        for t in wrong
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.heldout.measure", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--worlds", type=int, default=200, help="how many random offices")
    parser.add_argument("--repeat", type=int, default=1, help="in how many of them each request is said")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="file for the requests that went wrong, with their texts")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    trials = measure(world_count=options.worlds, repeat=options.repeat, seed=options.seed, processes=options.processes)
    print(report(trials))
    print(f"\n{options.worlds} worlds, seed {options.seed}, {time.monotonic() - began:.0f} s")
    if options.out:
        options.out.write_text(details(trials), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Budgets hold over any tree: whatever is reserved, settled or lost in a crash, no limit is exceeded anywhere."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.store import budgets, worklist
from orchestrator.store.database import Store
from orchestrator.store.worklist import NewItem
from tests.store.nouns import ALEX, NOW

NAMES = ("tokens", "model_calls", "effects")

amounts = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 12), min_size=1)
limits = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 40))


@dataclass(frozen=True)
class Reserve:
    """At item number `item`; the amounts settled later, in parts of a hundred; None: the process dies and never settles."""

    item: int
    wanted: Mapping[str, int]
    used: int | None


@dataclass
class Grove:
    """Items with their parents (index into the list; None for a root) and limits; opened only where limits are given."""

    parents: Sequence[int | None]
    limits: Sequence[Mapping[str, int] | None]
    chains: list[tuple[str, ...]] = field(default_factory=list)

    def plant(self, store: Store) -> None:
        made: list[str] = []
        with store.tx() as tx:
            for parent, most in zip(self.parents, self.limits, strict=True):
                new = NewItem(request="x", requester=ALEX, parent_id=None if parent is None else made[parent])
                made.append(worklist.submit(tx, new, NOW)[0])
                if most is not None:
                    budgets.open(tx, made[-1], most)
            self.chains = [budgets.chain(tx, item_id) for item_id in made]


@st.composite
def groves(draw: st.DrawFn) -> Grove:
    size = draw(st.integers(1, 6))
    parents = [None if n == 0 else draw(st.one_of(st.none(), st.integers(0, n - 1))) for n in range(size)]
    return Grove(parents=parents, limits=[draw(st.one_of(st.none(), limits)) for _ in range(size)])


steps = st.lists(
    st.builds(Reserve, item=st.integers(0, 5), wanted=amounts, used=st.one_of(st.none(), st.integers(0, 100))),
    max_size=25,
)


def state(store: Store, grove: Grove) -> dict[str, dict[str, dict[str, int | None]]]:
    with store.read() as tx:
        return budgets.of_many(tx, [chain[0] for chain in grove.chains])


def no_limit_is_exceeded(rows: Mapping[str, Mapping[str, Mapping[str, int | None]]]) -> bool:
    return all(
        (entry["used"] or 0) >= 0 and (entry["most"] is None or (entry["used"] or 0) <= entry["most"])
        for names in rows.values()
        for entry in names.values()
    )


def given_back(step: Reserve) -> dict[str, int]:
    """What settling adds after a call that took `used` hundredths of its reservation."""
    return {name: amount * (step.used or 0) // 100 - amount for name, amount in step.wanted.items()}


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Store]:
    """One database for all examples: each plants a grove of its own."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder)}/work.sqlite")
        yield store
        store.close()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grove=groves(), steps=steps, order=st.randoms(use_true_random=False))
def test_no_limit_of_any_tree_is_ever_exceeded(
    sqlite: Store, grove: Grove, steps: list[Reserve], order: object
) -> None:
    """In any interleaving of reserving, settling and dying: all or nothing, each row exactly what is outstanding and used below it."""
    grove.plant(sqlite)
    outstanding: list[tuple[tuple[str, ...], Reserve]] = []
    expected = {item_id: dict.fromkeys(NAMES, 0) for item_id in (chain[0] for chain in grove.chains)}
    opened = set(state(sqlite, grove))
    todo = list(steps)
    while todo or outstanding:
        settle = outstanding and (not todo or order.random() < 0.4)  # type: ignore[attr-defined]
        if settle:
            chain, step = outstanding.pop(order.randrange(len(outstanding)))  # type: ignore[attr-defined]
            change = given_back(step)
            sqlite.write(budgets.settle, chain, change)
        else:
            step = todo.pop(0)
            chain = grove.chains[step.item % len(grove.chains)]
            before = state(sqlite, grove)
            short = sqlite.write(budgets.reserve, chain, step.wanted)
            if short is not None:
                assert state(sqlite, grove) == before
                assert short.item_id in chain
                assert short.used + short.wanted > short.most
                assert before[short.item_id][short.name] == {"most": short.most, "used": short.used}
                continue
            change = dict(step.wanted)
            if step.used is not None:
                outstanding.append((chain, step))
        for item_id in chain:
            for name, amount in change.items():
                expected[item_id][name] += amount
        rows = state(sqlite, grove)
        assert no_limit_is_exceeded(rows)
        assert {item_id: {name: rows[item_id][name]["used"] for name in NAMES} for item_id in opened} == {
            item_id: expected[item_id] for item_id in opened
        }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    most=limits,
    changes=st.lists(
        st.dictionaries(st.sampled_from(NAMES), st.integers(-50, 50), min_size=1),
        max_size=12,
    ),
)
def test_settling_never_falls_below_zero(
    sqlite: Store, most: Mapping[str, int], changes: list[Mapping[str, int]]
) -> None:
    """Whatever is given back, also more than was ever taken."""
    grove = Grove(parents=[None, 0], limits=[most, {}])
    grove.plant(sqlite)
    expected = dict.fromkeys(NAMES, 0)

    for change in changes:
        sqlite.write(budgets.settle, grove.chains[1], change)
        expected |= {name: max(0, expected[name] + amount) for name, amount in change.items()}

    for names in state(sqlite, grove).values():
        assert {name: names[name]["used"] for name in NAMES} == expected


@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
def test_two_sessions_at_once_exceed_no_limit(request: pytest.FixtureRequest, database: str) -> None:
    """Two branches of one tree that reserve and settle as fast as they can: never over, never stuck, nothing counted twice."""
    store = Store.open(request.getfixturevalue(database))
    rounds = 6 if store.dialect == "sqlite" else 12

    @settings(max_examples=rounds, deadline=None, database=None)
    @given(
        grove=groves().filter(lambda one: len(one.parents) > 1),
        left=steps.filter(bool),
        right=steps.filter(bool),
    )
    def race(grove: Grove, left: list[Reserve], right: list[Reserve]) -> None:
        grove.plant(store)
        taken: list[tuple[tuple[str, ...], dict[str, int]]] = []
        failed: list[BaseException] = []
        start = threading.Barrier(2)

        def branch(mine: list[Reserve]) -> None:
            try:
                start.wait(10)
                for step in mine:
                    chain = grove.chains[step.item % len(grove.chains)]
                    with store.tx() as tx:  # not `write`, which tries again: a deadlock would be seen here
                        short = budgets.reserve(tx, chain, step.wanted)
                    if short is not None:
                        continue
                    change = dict(step.wanted)
                    if step.used is not None:
                        back = given_back(step)
                        with store.tx() as tx:
                            budgets.settle(tx, chain, back)
                        change = {name: amount + back[name] for name, amount in change.items()}
                    taken.append((chain, change))
            except BaseException as error:
                failed.append(error)

        both = [threading.Thread(target=branch, args=(mine,)) for mine in (left, right)]
        for one in both:
            one.start()
        for one in both:
            one.join(60)

        assert failed == []
        rows = state(store, grove)
        assert no_limit_is_exceeded(rows)
        for item_id, names in rows.items():
            spent = {name: sum(did.get(name, 0) for chain, did in taken if item_id in chain) for name in NAMES}
            assert {name: names[name]["used"] for name in NAMES} == spent

    race()
    store.close()


def test_branches_in_a_hurry_get_exactly_what_there_is(postgres_url: str) -> None:
    """Four sessions take single pieces of one root's budget through chains of their own: none too many, none lost, no deadlock."""
    store = Store.open(postgres_url)
    grove = Grove(parents=[None, 0, 0, 1, 2], limits=[{"tokens": 150}, {}, {}, {}, {}])
    grove.plant(store)
    got: list[int] = []
    failed: list[BaseException] = []
    start = threading.Barrier(4)

    def branch(chain: tuple[str, ...]) -> None:
        taken = 0
        try:
            start.wait(10)
            for _ in range(60):
                with store.tx() as tx:
                    taken += budgets.reserve(tx, chain, {"tokens": 1, "effects": 1}) is None
                with store.tx() as tx:
                    budgets.settle(tx, chain, {"effects": -1})
        except BaseException as error:
            failed.append(error)
        got.append(taken)

    every = [threading.Thread(target=branch, args=(chain,)) for chain in grove.chains[1:]]
    for one in every:
        one.start()
    for one in every:
        one.join(60)

    assert failed == []
    assert sum(got) == 150
    rows = state(store, grove)[grove.chains[0][0]]
    assert rows["tokens"] == {"most": 150, "used": 150}
    store.close()

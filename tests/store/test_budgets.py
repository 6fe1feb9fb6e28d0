"""Budgets: what a tree may use, reserved over the whole chain before it is used, settled to what it really took."""

from __future__ import annotations

import pytest

from orchestrator.errors import NotFound, UsageError
from orchestrator.store import budgets
from orchestrator.store.budgets import Short
from orchestrator.store.database import Store
from tests.store.nouns import submit

NOTHING = {name: {"most": None, "used": 0} for name in budgets.NAMES}


def family(store: Store) -> tuple[str, str, str]:
    """Ids of an item, its child and its grandchild."""
    root = submit(store)
    child = submit(store, parent_id=root)
    return root, child, submit(store, parent_id=child)


def opened(store: Store, **limits: int) -> tuple[str, ...]:
    """The chain of one item with these limits."""
    item_id = submit(store)
    store.write(budgets.open, item_id, limits)
    return (item_id,)


def of(store: Store, item_id: str) -> dict[str, dict[str, int | None]]:
    with store.read() as tx:
        return budgets.of(tx, item_id)


def used(store: Store, item_id: str, name: str = "tokens") -> int:
    return of(store, item_id)[name]["used"] or 0


def test_a_chain_goes_up_to_the_root(store: Store) -> None:
    """The item first, then what is above it, the root last."""
    root, child, grandchild = family(store)

    with store.read() as tx:
        assert budgets.chain(tx, grandchild) == (grandchild, child, root)
        assert budgets.chain(tx, root) == (root,)
        with pytest.raises(NotFound):
            budgets.chain(tx, "item_unknown")


def test_an_opened_item_is_counted_by_every_name(store: Store) -> None:
    """A name without a limit is counted all the same; an item that was never opened has no count."""
    (item_id,) = opened(store, tokens=10)

    assert of(store, item_id) == {**NOTHING, "tokens": {"most": 10, "used": 0}}
    assert list(of(store, item_id)) == list(budgets.NAMES)
    assert of(store, submit(store)) == {}


def test_opening_again_never_widens_a_limit(store: Store) -> None:
    """Of two limits for one name the narrower holds; what is used stays; a limit may come later."""
    (item_id,) = opened(store, tokens=10)
    store.write(budgets.reserve, (item_id,), {"tokens": 4})

    store.write(budgets.open, item_id, {"tokens": 20, "effects": 3})
    assert of(store, item_id)["tokens"] == {"most": 10, "used": 4}
    assert of(store, item_id)["effects"] == {"most": 3, "used": 0}

    store.write(budgets.open, item_id, {"tokens": 5})
    store.write(budgets.open, item_id, {})
    assert of(store, item_id)["tokens"] == {"most": 5, "used": 4}


@pytest.mark.parametrize("limits", [{"toekns": 1}, {"tokens": -1}])
def test_a_limit_that_makes_no_sense_is_refused(store: Store, limits: dict[str, int]) -> None:
    """Unknown names and amounts below zero open nothing."""
    item_id = submit(store)

    with pytest.raises(UsageError):
        store.write(budgets.open, item_id, limits)

    assert of(store, item_id) == {}


def test_what_is_reserved_counts_at_every_item_above(store: Store) -> None:
    """A grandchild's reservation is taken from its own budget, its parent's and the root's."""
    root, child, grandchild = family(store)
    for item_id in (root, child, grandchild):
        store.write(budgets.open, item_id, {"tokens": 100})

    assert store.write(budgets.reserve, (grandchild, child, root), {"tokens": 30, "model_calls": 1}) is None
    assert store.write(budgets.reserve, (root,), {"tokens": 5}) is None

    assert [used(store, item_id) for item_id in (root, child, grandchild)] == [35, 30, 30]
    assert used(store, root, "model_calls") == 1


def test_a_reservation_is_all_or_nothing(store: Store) -> None:
    """Where one limit of one item does not suffice, no name is taken anywhere, and the answer says which."""
    root, child, grandchild = family(store)
    store.write(budgets.open, root, {"cost_microusd": 10})
    store.write(budgets.open, child, {"tokens": 100})
    store.write(budgets.open, grandchild, {})
    chain = (grandchild, child, root)
    assert store.write(budgets.reserve, chain, {"cost_microusd": 8}) is None

    short = store.write(budgets.reserve, chain, {"tokens": 50, "cost_microusd": 3})

    assert short == Short(item_id=root, name="cost_microusd", most=10, used=8, wanted=3)
    assert [used(store, item_id) for item_id in chain] == [0, 0, 0]
    assert used(store, root, "cost_microusd") == 8


def test_the_tightest_limit_is_told(store: Store) -> None:
    """A caller that asks for less at once knows how much less would do."""
    root, child, _ = family(store)
    store.write(budgets.open, root, {"tokens": 7})
    store.write(budgets.open, child, {"tokens": 9})

    short = store.write(budgets.reserve, (child, root), {"tokens": 20})

    assert short == Short(item_id=root, name="tokens", most=7, used=0, wanted=20)
    assert store.write(budgets.reserve, (child, root), {"tokens": short.most - short.used}) is None


def test_a_limit_may_be_used_up_exactly(store: Store) -> None:
    """The last one fits, one more does not, and nothing always fits."""
    chain = opened(store, effects=2)

    assert [store.write(budgets.reserve, chain, {"effects": 1}) is None for _ in range(3)] == [True, True, False]
    assert store.write(budgets.reserve, chain, {"effects": 0}) is None
    assert store.write(budgets.reserve, chain, {}) is None


def test_settling_gives_back_what_was_not_used(store: Store) -> None:
    """A reservation becomes what was really taken, at every item of the chain; never less than nothing."""
    root, child, _ = family(store)
    for item_id in (root, child):
        store.write(budgets.open, item_id, {"tokens": 100})
    store.write(budgets.reserve, (child, root), {"tokens": 90})

    store.write(budgets.settle, (child, root), {"tokens": -70, "wall_ms": 12})
    assert [used(store, root), used(store, child), used(store, root, "wall_ms")] == [20, 20, 12]

    store.write(budgets.settle, (child, root), {"tokens": -500})
    assert [used(store, root), used(store, child)] == [0, 0]
    store.write(budgets.settle, (child, root), {})


def test_what_was_used_beyond_its_reservation_is_recorded(store: Store) -> None:
    """Settling tells the truth even past a limit; then nothing more can be reserved."""
    chain = opened(store, tokens=10)
    store.write(budgets.reserve, chain, {"tokens": 10})

    store.write(budgets.settle, chain, {"tokens": 5})

    assert used(store, chain[0]) == 15
    assert store.write(budgets.reserve, chain, {"tokens": 1}) is not None


@pytest.mark.parametrize("verb", [budgets.reserve, budgets.settle])
def test_an_unknown_name_is_refused(store: Store, verb: object) -> None:
    """A misspelt name is never silently free."""
    chain = opened(store, tokens=10)

    with pytest.raises(UsageError):
        store.write(verb, chain, {"tokens": 1, "calls": 1})  # type: ignore[arg-type]

    assert used(store, chain[0]) == 0


def test_less_than_nothing_cannot_be_reserved(store: Store) -> None:
    """Giving back is settling; a negative reservation would be a way around a limit."""
    with pytest.raises(ValueError, match="settle"):
        store.write(budgets.reserve, opened(store, tokens=10), {"tokens": -1})


def test_amounts_beyond_32_bits_are_counted(store: Store) -> None:
    """Millionths of a dollar and milliseconds grow large."""
    chain = opened(store, cost_microusd=10**13)

    assert store.write(budgets.reserve, chain, {"cost_microusd": 9 * 10**12}) is None

    assert used(store, chain[0], "cost_microusd") == 9 * 10**12


def test_a_childs_limit_is_never_above_one_that_holds_over_it(store: Store) -> None:
    """What is asked for a child is cut to what its tree may use at all; other names stay as asked."""
    root, child, _ = family(store)
    store.write(budgets.open, root, {"tokens": 100, "effects": 5})
    store.write(budgets.open, child, {"tokens": 40})

    with store.read() as tx:
        narrowed = budgets.narrow(tx, (child, root), {"tokens": 60, "effects": 9, "model_calls": 3})

    assert narrowed == {"tokens": 40, "effects": 5, "model_calls": 3}


def test_a_reservation_and_a_settling_are_two_statements_and_one(sqlite_url: str) -> None:
    """They run once a model call: no more statements than that, however long the chain is."""
    store = Store.open(sqlite_url)
    chain = []
    for _ in range(4):
        chain.insert(0, submit(store, parent_id=chain[0] if chain else None))
        store.write(budgets.open, chain[0], {"tokens": 1000})
    said: list[str] = []

    with store.tx() as tx:
        tx.driver.set_trace_callback(said.append)
        assert budgets.reserve(tx, chain, {"tokens": 10, "model_calls": 1, "wall_ms": 5}) is None
        reserving = len(said)
        budgets.settle(tx, chain, {"tokens": -3, "wall_ms": -1})
        tx.driver.set_trace_callback(None)

    assert [reserving, len(said) - reserving] == [2, 1]
    assert {used(store, item_id) for item_id in chain} == {7}
    store.close()

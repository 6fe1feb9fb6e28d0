"""What a connector keeps of its accounts."""

from __future__ import annotations

from functools import partial

from connectors.keeping import Kept
from connectors.spec import Account


def account(connection_id: str, password: str = "old") -> Account:
    return Account(connection_id=connection_id, subject="alex@northwind.example", credentials={"password": password})


def test_one_account_keeps_one_thing_and_other_credentials_get_another() -> None:
    """New credentials never meet what was kept under the old ones."""
    kept: Kept[object] = Kept(lambda _: None)

    first = kept.of(account("conn_1"), object)

    assert kept.of(account("conn_1"), object) is first
    assert kept.of(account("conn_1", "new"), object) is not first


def test_the_one_unused_for_longest_is_let_go_and_closed() -> None:
    """A table of accounts is bounded, and what leaves it is closed once."""
    left: list[str] = []
    kept: Kept[str] = Kept(left.append, most=2)

    for name in ("conn_1", "conn_2", "conn_1", "conn_3"):
        kept.of(account(name), partial(str, name))

    assert left == ["conn_2"]
    kept.let_go()
    assert left == ["conn_2", "conn_1", "conn_3"]

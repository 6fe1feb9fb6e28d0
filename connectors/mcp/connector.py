"""Any MCP server as a connector: what it may be asked for is what a person saw, and what it says stays a stranger's word.

One connector per server, its family the server's name. Left out: prompts, resources, sampling, elicitation, roots and tasks;
a server that needs one of them for a call is refused it. MCP has no idempotency key and nothing to look up an attempt by, so
that an effect whose answer is lost stays unknown until a person has looked, unless the manifest names a tool to look with.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import wait
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.errors import ConnectorError, Forbidden, InvalidCall, NotFound, ReconsentNeeded, Unreachable
from connectors.mcp import descriptions, http, lookups, loop, manifests, names, results, trouble
from connectors.mcp.again import AGAIN_S, Again, Listing
from connectors.mcp.descriptions import Change, Described, Description, File, Keeper
from connectors.mcp.text import quoted
from connectors.mcp.wire import Connection, Slot, Target
from connectors.spec import Account, EffectClass, Json, Precondition, Reconciled, ToolSpec, Unknown

MODES = {"auto": "auto", "legacy": "legacy", "modern": "2026-07-28"}
CREDENTIAL = "credential:"  # begins a value of `env` or `headers` that stands among the account's credentials
NOBODY = Account(connection_id="", subject="")
MOST_CONNECTIONS = 16
LAST_WORDS = 400
REVIEW = "look at the server's tools with `deputy connect mcp`"


class McpConnector:
    """Describes itself from what is kept of it; where nothing is, it asks the server once and keeps what it says."""

    def __init__(
        self,
        *,
        name: str,
        target: Callable[[Account], Target],
        target_digest: str,
        manifest: Mapping[str, Any] | None,
        seen: Keeper | None,
        pins: Mapping[str, str] | None,
        mode: str,
        timeout_s: float,
        recheck_s: float,
        max_result_bytes: int,
        reserved: Collection[str],
        again_s: float,
    ) -> None:
        self.name = name
        self.families = frozenset({name})
        self.timeout_s = timeout_s
        self.problems: list[str] = []  # why tools are missing, one sentence each
        self._target = target
        self._target_digest = target_digest
        self._manifest = manifest
        self._seen = seen
        self._pins = pins
        self._mode = mode
        self._recheck_s = recheck_s
        self._most = max_result_bytes
        self._reserved = frozenset(reserved)
        self.again = Again(lambda: self._list(NOBODY), after_s=again_s)
        self._description: Description | None = None
        self._tools: tuple[ToolSpec, ...] | None = None
        self._by_name: dict[str, Described] = {}
        self._validators: dict[str, Any] = {}
        self._slots: dict[tuple[str, str], Slot] = {}
        self._last_listed: list[dict[str, Any]] | None = None
        weakref.finalize(self, _abandon, self._slots).atexit = False

    # ---- what it offers --------------------------------------------------------------------------------------------
    def tools(self) -> Sequence[ToolSpec]:
        """From the description; `problems` says what is missing and why. Starts the server only where nothing describes it yet,
        and asks one that failed then again, in the background."""
        if self._tools is None or self.again.has_answer():
            self.problems = []
            self._description = self._load()
            offered = [tool for tool in self._description.tools if self._is_pinned(tool)] if self._description else []
            self._by_name = {tool.name: tool for tool in offered}
            self._tools = tuple(tool.spec(self.timeout_s) for tool in offered)
        return self._tools

    def _load(self) -> Description | None:
        asked = self.again.take()
        try:
            known = self._seen.load() if self._seen is not None else None
            known = known or self._kept(self.describe(asked=asked))
            if (known.server, known.target) != (self.name, self._target_digest):
                self.problems.append(f"{self.name} is another server than the one that was looked at; {REVIEW}")
                return None
        except ConnectorError as error:
            self.again.begin()
            self.problems.append(f"{self.name} offers nothing: {error}; {REVIEW}")
            return None
        known = descriptions.as_now(known, self._manifest, self._reserved)
        self.problems += [f"{self.name}: {wire!r} is left out: {why}" for wire, why in known.refused.items()]
        return known

    def _kept(self, first: Description) -> Description:
        """What holds from now on. Pins say that a person has looked elsewhere: then nothing is kept beside that."""
        try:
            return self._seen.keep(first) if self._seen is not None and self._pins is None else first
        except OSError as error:
            self.problems.append(f"what {self.name} offers cannot be kept: {error}")
            return first

    def _is_pinned(self, tool: Described) -> bool:
        if self._pins is None or self._pins.get(tool.name) == tool.digest:
            return True
        said = "another digest is pinned" if tool.name in self._pins else "it is not among the pins"
        self.problems.append(f"{self.name}: {tool.wire!r} is left out: {said}")
        return False

    def describe(self, account: Account = NOBODY, *, asked: Listing | None = None) -> Description:
        """What the server offers now, not reviewed by anybody. Blocks; ConnectorError where it cannot be asked."""
        listed, said = (asked or loop.submit(self._list(account))).result()
        return descriptions.describe(
            server=self.name,
            target=self._target_digest,
            said=said,
            listed=listed,
            manifest=self._manifest,
            reserved=self._reserved,
        )

    async def _list(self, account: Account) -> tuple[list[dict[str, Any]], dict[str, str]]:
        slot = Slot(self._target(account), self._mode, self._recheck_s)
        try:
            async with asyncio.timeout(self.timeout_s):
                connection = await self._ready(slot, self._deadline(), wants_words=True)
                return await connection.list(), connection.said
        except ConnectorError:
            raise
        except Exception as error:
            raise self._not_started(slot, error, wants_words=True) from error
        finally:
            await slot.close()

    def drift(self) -> list[Change]:
        """How the server differed from its description when it was last listed; empty as long as nobody has called it."""
        self.tools()
        if self._last_listed is None or self._description is None:
            return []
        now = descriptions.describe(
            server=self.name,
            target=self._target_digest,
            said={},
            listed=self._last_listed,
            manifest=self._manifest,
            reserved=self._reserved,
        )
        return descriptions.review(self._description, now)

    def manifest(self) -> dict[str, Any]:
        """The whole manifest, as `families.manifest` gives that of the families: the person's file, and every tool offered."""
        told = {key: value for key, value in (self._manifest or {}).items() if key != "tools"}
        self.tools()
        ours = {tool.wire: tool.name for tool in self._by_name.values()}
        return {
            **manifests.renamed(told, ours),
            "version": 1,
            "tools": {name: dict(t.manifest) for name, t in self._by_name.items()},
        }

    # ---- calls -----------------------------------------------------------------------------------------------------
    async def call(self, tool: str, args: Mapping[str, Any], *, account: Account, key: str | None) -> Json:
        """One request. The key is not sent: there is nothing in the protocol that it could be."""
        described = self._described(tool)
        if problems := self._problems(described, args):
            raise InvalidCall(f"{tool} does not take these arguments: {problems[0]}", fix="see the tool's schema")
        return await loop.run(self._call(described, json.loads(json.dumps(dict(args))), account))

    async def reconcile(
        self, tool: str, args: Mapping[str, Any], *, account: Account, key: str, attempted_at: datetime
    ) -> Reconciled:
        lookup = self._described(tool).manifest.get("lookup")
        if not isinstance(lookup, Mapping):
            return Unknown(f"{self.name} has no way to ask whether {tool} happened")
        wanted = str(lookup.get("tool"))
        found = next((one for one in self._by_name.values() if wanted in (one.wire, one.name)), None)
        if found is None or found.effect_class != EffectClass.READ:
            return Unknown(f"the manifest of {self.name} names no read to look {tool} up with")
        answer = await self.call(found.name, lookups.query(lookup, args), account=account, key=None)
        return lookups.verdict(lookup, args, answer, attempted_at)

    async def preconditions(
        self, tool: str, args: Mapping[str, Any], *, account: Account, now: datetime
    ) -> Sequence[Precondition]:
        """None: nobody says what a stranger's tool takes for granted."""
        return ()

    async def check(self, precondition: Precondition, *, account: Account, now: datetime) -> str | None:
        return None

    def close(self) -> None:
        """Ends all connections and their processes. A later call opens them again."""
        closing = [loop.submit(slot.close()) for slot in self._slots.values()]
        self._slots.clear()
        wait(closing, timeout=loop.CLOSES_WITHIN_S)

    def _described(self, tool: str) -> Described:
        self.tools()
        if tool not in self._by_name:
            raise NotFound(f"{self.name} offers no tool {tool!r}", fix="; ".join(self.problems[:3]) or REVIEW)
        return self._by_name[tool]

    def _problems(self, tool: Described, args: Mapping[str, Any]) -> list[str]:
        import jsonschema
        from referencing import Registry

        if tool.name not in self._validators:
            self._validators[tool.name] = jsonschema.Draft202012Validator(dict(tool.parameters), registry=Registry())
        errors = self._validators[tool.name].iter_errors(dict(args))
        return [f"{'.'.join(map(str, error.path)) or 'arguments'}: {error.validator}" for error in errors]

    async def _call(self, tool: Described, args: dict[str, Any], account: Account) -> Json:
        from mcp.shared.exceptions import MCPError
        from mcp_types import InputRequiredResult

        is_read = tool.effect_class == EffectClass.READ
        slot, deadline = self._slot(account), self._deadline()
        connection = await self._ready(slot, deadline)
        self._check_live(tool, connection)
        trace = http.Trace()
        http.TRACE.set(trace)
        left_s = max(0.01, deadline - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(left_s):
                result = await connection.call(tool.wire, args, 2 * left_s)
        except MCPError as error:
            if trace.status == 404:
                connection.retire()
            is_http = connection.target.url is not None
            raise trouble.of_error(
                self.name, tool.name, error.code, error.message, trace, is_read=is_read, is_http=is_http
            ) from error
        except (TimeoutError, asyncio.CancelledError) as error:
            connection.give_up(was_effect=not is_read)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise trouble.doubt(self.name, tool.name, "did not answer in time", is_read=is_read) from error
        except Exception as error:  # a malformed answer, a stream that closed: whatever a server can bring about
            raise trouble.doubt(self.name, tool.name, "gave no usable answer", is_read=is_read) from error
        slot.failures = 0
        if isinstance(result, InputRequiredResult):
            raise Forbidden(
                f"{self.name} wants to ask a person or a model in the middle of {tool.name}", fix="do it there"
            )
        if result.is_error:
            said = quoted(results.text_of(result)) or "nothing more"
            raise ConnectorError(f"{self.name} says that {tool.name} failed: {said}", fix="change the arguments")
        try:
            return results.value_of(result, output=tool.output, is_wrapped=tool.is_wrapped, most=self._most)
        except (RecursionError, ValueError) as error:
            raise trouble.doubt(self.name, tool.name, "gave no usable answer", is_read=is_read) from error

    def _check_live(self, tool: Described, connection: Connection) -> None:
        """INVARIANT: only a tool that is word for word the one described is called; a changed one waits for a person."""
        if tool.wire in connection.twice:
            raise trouble.NotReviewed(f"{self.name} now lists {tool.wire!r} twice", fix=REVIEW)
        if tool.wire not in connection.live:
            raise NotFound(f"{self.name} does not offer {tool.wire!r} any more", fix=REVIEW)
        if connection.live[tool.wire] != tool.digest:
            raise trouble.NotReviewed(f"{tool.name} has changed since it was looked at", fix=REVIEW)

    # ---- connections -----------------------------------------------------------------------------------------------
    def _deadline(self) -> float:
        """Sooner than the gate's own time-out: what became of the call is known here."""
        return asyncio.get_running_loop().time() + 0.9 * self.timeout_s

    def _slot(self, account: Account) -> Slot:
        target = self._target(account)
        secrets = json.dumps([sorted(target.env.items()), sorted(target.headers.items())])
        key = (account.connection_id, hashlib.sha256(secrets.encode()).hexdigest())
        slot = self._slots.pop(key, None) or Slot(target, self._mode, self._recheck_s)
        self._slots[key] = slot  # last used, last closed
        while len(self._slots) > MOST_CONNECTIONS:
            oldest = self._slots.pop(next(iter(self._slots)))
            closing = asyncio.ensure_future(oldest.close())
            closing.add_done_callback(lambda done: done.cancelled() or done.exception())
        return slot

    def _heard(self, listed: list[dict[str, Any]]) -> None:
        self._last_listed = listed

    async def _ready(self, slot: Slot, deadline: float, *, wants_words: bool = False) -> Connection:
        try:
            async with asyncio.timeout_at(deadline):
                return await slot.ready(self._heard)
        except ConnectorError:
            raise
        except Exception as error:
            raise self._not_started(slot, error, wants_words=wants_words) from error

    def _not_started(self, slot: Slot, error: Exception, *, wants_words: bool) -> ConnectorError:
        """Nothing was asked of the server yet, so nothing arrived. Its own last words are for whoever sets it up."""
        latest = slot.latest
        if latest is not None and (refused := trouble.of_status(self.name, latest.trace)):
            return refused
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return Unreachable(
                f"the command of {self.name} does not exist on this host", fix="see its `command` and `cwd`"
            )
        words = " ".join(latest.child.errors) if wants_words and latest is not None else ""
        said = f"; its last words: {quoted(words[-LAST_WORDS:], LAST_WORDS)}" if words else ""
        what = "did not start in time" if isinstance(error, TimeoutError) else "could not be started or reached"
        return Unreachable(f"{self.name} {what}{said}", fix="see that it runs when it is started by hand")


def _abandon(slots: dict[tuple[str, str], Slot]) -> None:
    """A connector that nobody holds any more leaves no process behind; nobody waits for that."""
    for slot in slots.values():
        loop.submit(slot.close())


def open_connector(
    *,
    name: str,
    command: Sequence[str] | None = None,
    url: str | None = None,
    env: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    manifest: str | Path | Mapping[str, Any] | None = None,
    description: str | Path | Keeper | None = None,
    pins: Mapping[str, str] | None = None,
    wire: str = "auto",
    timeout_s: float = 30.0,
    start_timeout_s: float = 20.0,
    recheck_s: float = 300.0,
    max_result_bytes: int = 256 * 1024,
    max_message_bytes: int = 32 * 1024 * 1024,
    reserved: Collection[str] = (),
    again_s: float = AGAIN_S,
) -> McpConnector:
    """The connector of one configured server. ConnectorError where the settings cannot be right; the server is not started.

    env, headers: values that begin with "credential:" are taken from the account's credentials under the rest of the value.
    pins: our tool name → digest; where given, nothing else is offered. reserved: names of tools that may not be shadowed.
    again_s: how long until a server that could not be asked at first is asked again.
    """
    names.check_server(name, reserved)
    if (command is None) == (url is None) or command is not None and not command:
        raise ConnectorError(f"{name} needs either a command or a url", fix="say one of the two in deputy.toml")
    if wire not in MODES:
        raise ConnectorError(f"{name} cannot speak {wire!r}", fix=f"use one of {', '.join(MODES)}")
    if url is not None and not url.startswith(("https://", "http://")):
        raise ConnectorError(f"the url of {name} is none of http or https", fix="say where the server listens")

    def target(account: Account) -> Target:
        filled = _filled(name, headers or {}, account)
        if url is not None and "token" in account.credentials and not any(h.lower() == "authorization" for h in filled):
            filled["authorization"] = f"Bearer {account.credentials['token']}"
        is_secret = filled != dict(headers or {})
        if url is not None and is_secret and not http.may_carry_secrets(url):
            raise ConnectorError(f"credentials for {name} would travel in the clear", fix="use its https address")
        return Target(
            command=tuple(command) if command is not None else None,
            url=url,
            env=_filled(name, env or {}, account),
            headers=filled,
            cwd=Path(cwd) if cwd is not None else None,
            start_timeout_s=min(start_timeout_s, 0.8 * timeout_s),
            max_message_bytes=max_message_bytes,
        )

    return McpConnector(
        name=name,
        target=target,
        target_digest=descriptions.target_of(command, url),
        manifest=manifests.of(manifest, name),
        seen=File(Path(description)) if isinstance(description, str | Path) else description,
        pins=pins,
        mode=MODES[wire],
        timeout_s=timeout_s,
        recheck_s=recheck_s,
        max_result_bytes=max_result_bytes,
        reserved=reserved,
        again_s=again_s,
    )


def _filled(name: str, told: Mapping[str, str], account: Account) -> dict[str, str]:
    filled: dict[str, str] = {}
    for key, value in told.items():
        wanted = value.removeprefix(CREDENTIAL)
        if wanted == value:
            filled[key] = value
        elif wanted in account.credentials:
            filled[key] = account.credentials[wanted]
        else:
            raise ReconsentNeeded(f"{name} needs the credential {wanted!r}", fix=f"connect {name} with it")
    return filled

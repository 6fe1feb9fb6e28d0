"""A server that is a child process: one JSON message a line on its standard input and output.

The SDK's own transport neither bounds a line nor ends what a crashed server has left behind; this one does both. The child is
its own process group, gets a handful of harmless variables and what the person configured, and nothing else of ours.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp.client import Transport
    from mcp.client._transport import TransportStreams

INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "SYSTEMROOT", "TERM", "TMPDIR", "TZ", "USER")
STOPS_WITHIN_S = 1.0  # after its input was closed; then it is ended
DRAINS_WITHIN_S = 0.1  # what it wrote before it ended is still taken off
LOOKS_EVERY_S = 0.1
LAST_WORDS = 20  # lines of its standard error that are kept
LINE = 500  # characters of each


class Child:
    """What is known of the process, for whoever has to say why it does not answer. Its words are a stranger's."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self.is_over = False
        self.is_group_ended = False
        self.errors: deque[str] = deque(maxlen=LAST_WORDS)


def environment(configured: Mapping[str, str]) -> dict[str, str]:
    """INVARIANT: a server sees no variable of ours but the few named above; keys and tokens live in the others."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | dict(configured)


def transport(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    child: Child,
    max_message_bytes: int,
    hear: Callable[[str], None],
    cwd: Path | None = None,
) -> Transport:
    """Starts the command when it is entered, and ends its whole process group when it is left. OSError if it cannot start.

    `hear` is told the method of each notification as it arrives: before anything that the server said after it.
    """
    return _transport(command, env, child, max_message_bytes, hear, cwd)


@asynccontextmanager
async def _transport(
    command: Sequence[str],
    env: Mapping[str, str],
    child: Child,
    most: int,
    hear: Callable[[str], None],
    cwd: Path | None,
) -> AsyncIterator[TransportStreams]:
    import anyio
    from mcp.shared.message import SessionMessage

    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(env),
        cwd=cwd,
        limit=most,
        start_new_session=True,
    )
    child.pid = process.pid
    inward, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, outward = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.ensure_future(_receive(process, inward, child, hear)),
        asyncio.ensure_future(_send(process, outward, inward)),
        asyncio.ensure_future(_listen(process, child)),
        asyncio.ensure_future(_watch(process, inward, child)),
    ]
    try:
        yield incoming, outgoing
    finally:
        child.is_over = True
        with anyio.CancelScope(shield=True):
            for stream in (incoming, outgoing):
                stream.close()
            await _stop(process, child)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for stream in (inward, outward):
                stream.close()


async def _receive(
    process: asyncio.subprocess.Process, inward: object, child: Child, hear: Callable[[str], None]
) -> None:
    """Every line as a message until the output ends, or a line is longer than the limit: then nothing can be trusted to be whole."""
    from anyio import BrokenResourceError, ClosedResourceError
    from mcp.shared.message import SessionMessage
    from mcp_types import JSONRPCNotification, jsonrpc_message_adapter

    assert process.stdout is not None
    try:
        while line := await process.stdout.readline():
            try:
                message = jsonrpc_message_adapter.validate_json(line)
            except ValueError:
                continue  # a greeting, a log line: servers print them, and nobody asked for an answer in that form
            if isinstance(message, JSONRPCNotification):
                hear(message.method)
            await inward.send(SessionMessage(message))  # type: ignore[attr-defined]
    except (ValueError, BrokenResourceError, ClosedResourceError):
        pass  # ValueError: a line over the limit
    finally:
        child.is_over = True
        inward.close()  # type: ignore[attr-defined]


async def _send(process: asyncio.subprocess.Process, outward: object, inward: object) -> None:
    from anyio import BrokenResourceError, ClosedResourceError

    assert process.stdin is not None
    try:
        async for told in outward:  # type: ignore[attr-defined]
            process.stdin.write(told.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            await process.stdin.drain()
    except (OSError, BrokenResourceError, ClosedResourceError):
        inward.close()  # type: ignore[attr-defined]


async def _listen(process: asyncio.subprocess.Process, child: Child) -> None:
    """Takes everything off standard error, so that nobody blocks on it, and keeps the last of it."""
    assert process.stderr is not None
    rest = b""
    while chunk := await process.stderr.read(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        child.errors.extend(line[:LINE].decode("utf-8", "replace") for line in lines[-LAST_WORDS:])
        rest = rest[:LINE]
    if rest:
        child.errors.append(rest.decode("utf-8", "replace"))


async def _watch(process: asyncio.subprocess.Process, inward: object, child: Child) -> None:
    """Ends the connection when the process has ended, also where a child of its own keeps the pipes open."""
    await _ended(process)
    _end_group(process, child)
    await asyncio.sleep(DRAINS_WITHIN_S)
    child.is_over = True
    inward.close()  # type: ignore[attr-defined]


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Returns when the process itself has ended. Not `wait`: since Python 3.11 that waits for the pipes as well."""
    pidfd_open = getattr(os, "pidfd_open", None)
    if pidfd_open is None or process.returncode is not None:  # not Linux, or over
        while process.returncode is None:
            await asyncio.sleep(LOOKS_EVERY_S)
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    try:
        handle: int = pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        loop.add_reader(handle, over.set)
        await over.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _end_group(process: asyncio.subprocess.Process, child: Child) -> None:
    """Once, and at once when the process ends: later its number may be somebody else's."""
    if not child.is_group_ended:
        child.is_group_ended = True
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


async def _stop(process: asyncio.subprocess.Process, child: Child) -> None:
    """Closes its input, waits a moment, and then ends the group: also what a server that is gone has left running."""
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(STOPS_WITHIN_S):
            await _ended(process)
    _end_group(process, child)
    with suppress(TimeoutError):
        async with asyncio.timeout(STOPS_WITHIN_S):
            await process.wait()
    closing = getattr(process, "_transport", None)  # pipes held open by a survivor would warn when they are collected
    if closing is not None:
        closing.close()

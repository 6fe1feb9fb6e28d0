"""What went wrong with a call, in the gate's words: above all, whether it may have arrived.

A refusal is believed where the protocol says that a request was not begun (unknown method, wrong arguments, no leave). An
answer that says "I failed" is an answer. Everything else leaves an effect in doubt.
"""

from __future__ import annotations

from connectors.errors import (
    ConnectorError,
    Forbidden,
    InvalidCall,
    OutcomeUnknown,
    RateLimited,
    ReconsentNeeded,
    Unreachable,
)
from connectors.mcp.http import Trace
from connectors.mcp.text import quoted

UNASKED_PAUSE_S = 5.0  # after a 429 that says no time
# JSON-RPC 2.0 and MCP: unknown method, wrong arguments, headers that do not fit, a capability that is missing.
REFUSALS = (-32601, -32602, -32020, -32021, -32022)
INVALID_REQUEST = -32600
INTERNAL_ERROR = -32603


class NotReviewed(ConnectorError):
    """The server's tool is not the one that a person looked at."""

    code = "not_reviewed"


def doubt(server: str, tool: str, what: str, *, is_read: bool) -> ConnectorError:
    """OutcomeUnknown for an effect; a read that brought nothing may simply be asked again."""
    if is_read:
        return Unreachable(f"{server} {what}", fix="try again; if it stays so, see `deputy doctor`")
    return OutcomeUnknown(f"{server} {what}, so {tool} may or may not have happened", fix="look there, then say which")


def of_error(
    server: str, tool: str, code: int, words: str, trace: Trace, *, is_read: bool, is_http: bool
) -> ConnectorError:
    """What a protocol error (or the SDK's stand-in for one) means."""
    if trace.was_refused:
        return Unreachable(f"{server} could not be reached", fix="see that it runs, and that its address is right")
    if trace.was_lost or trace.was_oversized or trace.status == 202 or trace.status >= 500:
        what = "answered with more than may be taken in" if trace.was_oversized else "broke off before it answered"
        return doubt(server, tool, what, is_read=is_read)
    if refused := of_status(server, trace):
        return refused
    is_refusal = code in REFUSALS or code == INVALID_REQUEST and (not is_http or 300 <= trace.status < 500)
    if is_refusal or 400 <= trace.status < 500:
        return InvalidCall(f"{server} refuses the call: {quoted(words)}", fix="change the arguments")
    if is_read and code == INTERNAL_ERROR:
        return ConnectorError(f"{server} failed: {quoted(words)}", fix="try again later, or ask for something else")
    return doubt(server, tool, "ended or failed before it answered", is_read=is_read)


def of_status(server: str, trace: Trace) -> ConnectorError | None:
    """What an HTTP status of the server's front door means; None where the message decides."""
    if trace.status == 401 or trace.status == 403 and "insufficient_scope" in trace.challenge:
        return ReconsentNeeded(f"{server} does not take these credentials", fix="connect it again")
    if trace.status == 403:
        return Forbidden(f"{server} does not allow this", fix="ask whoever runs it")
    if trace.status == 429:
        told = trace.retry_after
        pause = float(told) if told.isdigit() else UNASKED_PAUSE_S
        return RateLimited(f"{server} takes no more calls for now", retry_after_s=max(pause, 1.0), fix="wait a little")
    if trace.status == 404:
        return Unreachable(f"{server} has forgotten the session, or is not at this address", fix="try again")
    return None

"""A small Slack of ours, for what emulate lacks: guests, strangers and deactivated users, bots' messages, small pages, time bounds,
`latest_reply`, notices, search.messages, tokens that lapse, limits, scheduled messages whose moment comes and files that become a
message only some time afterwards. It is written from Slack's method pages, by us: it shows
that the connector follows those pages, not that Slack does.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

Raw = dict[str, Any]
ME = "U0000000ME"
TEAM = "T000000001"


def user(user_id: str, name: str, **more: Any) -> Raw:
    email = more.pop("email", f"{name}@northwind.example")
    profile = {"real_name": more.pop("real_name", name.title()), "display_name": name} | (
        {"email": email} if email else {}
    )
    return {"id": user_id, "team_id": TEAM, "name": name, "profile": profile, "tz": "Europe/Lisbon"} | more


def channel(channel_id: str, name: str, members: list[str], **more: Any) -> Raw:
    return {"id": channel_id, "name": name, "members": members, "creator": ME, "created": 1_795_000_000} | more


@dataclass
class Refusal:
    """How the next call of a method is answered."""

    error: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Slack:
    """Serves on a free loopback port between `with` and its end. The test fills the world in beforehand."""

    def __init__(self, *, page: int = 1000) -> None:
        self.page = page  # no answer holds more
        self.gives_whole_threads = False  # also for the time of an answer; otherwise that answer alone
        self.date: str | None = None  # Slack's clock; None: the real one
        self.users: list[Raw] = [user(ME, "ada")]
        self.strangers: list[Raw] = []  # known to users.info alone
        self.channels: list[Raw] = []
        self.messages: dict[str, list[Raw]] = {}
        self.hits: list[Raw] = []  # of search.messages
        self.scheduled: list[Raw] = []
        self.files: dict[str, Raw] = {}  # by id
        self.contents: dict[str, bytes] = {}
        self.shared_after = 0  # looks at a file before it is the message that it became
        self.file_page = b""  # handed out in place of every file, as HTML
        self.refusals: dict[str, list[Refusal]] = {}
        self.fails_after = ""  # a method; once it was called, nothing else is answered
        self.calls: list[tuple[str, dict[str, Any], str]] = []  # method, fields, token
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Slack:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def say(self, channel_id: str, ts: str, text: str, **more: Any) -> Raw:
        said: Raw = {"type": "message", "user": ME, "text": text, "ts": ts} | more
        self.messages.setdefault(channel_id, []).append(said)
        return said

    def post_scheduled(self) -> None:
        """The moment of everything scheduled has come."""
        for one in self.scheduled:
            more = {name: one[name] for name in ("metadata", "thread_ts") if one.get(name)}
            self.say(one["channel_id"], f"{one['post_at']}.000200", one["text"], **more)
        self.scheduled.clear()

    def refuse(self, method: str, error: str, *, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.refusals.setdefault(method, []).append(Refusal(error, status, named))

    def called(self, method: str) -> list[dict[str, Any]]:
        return [fields for name, fields, _ in self.calls if name == method]

    def failing(self, method: str) -> Refusal:
        is_behind = method != self.fails_after and any(name == self.fails_after for name, _, _ in self.calls)
        return Refusal("ratelimited", 429, {"Retry-After": "9"}) if is_behind else Refusal("")

    # ---- methods -------------------------------------------------------------------------------------------------

    def answer(self, method: str, fields: Raw) -> Raw:
        match method:
            case "auth.test":
                return {"user_id": ME, "team_id": TEAM, "user": "ada"}
            case "users.list":
                return self._paged("members", self.users, fields)
            case "users.info":
                known = [one for one in (*self.users, *self.strangers) if one["id"] == fields["user"]]
                return {"user": known[0]} if known else {"error": "user_not_found"}
            case "conversations.list":
                types = fields.get("types", "public_channel").split(",")
                return self._paged(
                    "channels", [self._shown(one) for one in self.channels if _type(one) in types], fields
                )
            case "conversations.open":
                found = [one for one in self.channels if one.get("user") == fields["users"]]
                return {"channel": {"id": found[0]["id"]}} if found else {"error": "user_not_found"}
            case "conversations.create":
                private = {"is_private": fields["is_private"]}
                self.channels.append(channel(f"C{len(self.channels):08}NEW", fields["name"], [ME], **private))
                return {"channel": self._shown(self.channels[-1])}
            case "chat.scheduledMessages.list":
                return self._paged("scheduled_messages", self.scheduled, fields)
            case "files.getUploadURLExternal":
                file_id = f"F{len(self.files):08}"
                self.files[file_id] = {
                    "id": file_id,
                    "name": fields["filename"],
                    "size": int(fields["length"]),
                    "user": ME,
                }
                self.files[file_id] |= {"created": int(time.time()), "url_private": f"{self.url}/files/{file_id}"}
                return {"file_id": file_id, "upload_url": f"{self.url}/upload/{file_id}"}
            case "files.completeUploadExternal":
                file = self.files[fields["files"][0]["id"]]
                file |= {"mimetype": "text/plain", "channels": [fields["channel_id"]], "looks": 0}
                return {"files": [{"id": file["id"], "title": file["name"]}]}
            case "files.info":
                return (
                    {"file": self._file(fields["file"])}
                    if fields["file"] in self.files
                    else {"error": "file_not_found"}
                )
            case "search.messages":
                return {"messages": {"matches": self.hits, "paging": {"pages": 1}}}
        one = next((one for one in self.channels if one["id"] == fields.get("channel")), None)
        if one is None:
            return {"error": "channel_not_found"}
        return self._in_channel(method, one, fields)

    def _in_channel(self, method: str, one: Raw, fields: Raw) -> Raw:
        said = self.messages.setdefault(one["id"], [])
        ts = fields.get("ts") or fields.get("timestamp")
        match method:
            case "conversations.info":
                return {"channel": self._shown(one)}
            case "conversations.members":
                return self._paged("members", one["members"], fields)
            case "conversations.history":
                if ME not in one["members"]:
                    return {"error": "not_in_channel"}
                tops = [self._top(raw, said) for raw in said if _is_top(raw)]
                return self._paged("messages", _bounded(tops, fields, newest_first=True), fields)
            case "conversations.replies":
                if self.gives_whole_threads:
                    ts = next((raw.get("thread_ts") or ts for raw in said if raw["ts"] == ts), ts)
                thread = [raw for raw in said if ts in (raw["ts"], raw.get("thread_ts"))]
                first = [self._top(raw, said) for raw in thread if raw["ts"] == ts]
                rest = _bounded([raw for raw in thread if raw["ts"] != ts], fields, newest_first=False)
                return self._paged("messages", first + rest, fields) if thread else {"error": "thread_not_found"}
            case "chat.postMessage":
                posted = self.say(one["id"], f"{1_795_000_000 + len(said)}.000100", fields["text"])
                posted |= {name: fields[name] for name in ("metadata", "thread_ts") if fields.get(name)}
                return {"channel": one["id"], "ts": posted["ts"], "message": posted}
            case "chat.scheduleMessage":
                slack_id = f"Q{len(self.scheduled):08}"
                made = {"id": slack_id, "channel_id": one["id"], "date_created": int(time.time())}
                self.scheduled.append(fields | made)
                return {"channel": one["id"], "scheduled_message_id": slack_id, "post_at": fields["post_at"]}
            case "chat.deleteScheduledMessage":
                kept = [raw for raw in self.scheduled if raw["id"] != fields["scheduled_message_id"]]
                if len(kept) == len(self.scheduled):
                    return {"error": "invalid_scheduled_message_id"}
                self.scheduled = kept
                return {}
            case "chat.update":
                changed = next(raw for raw in said if raw["ts"] == ts)
                changed |= {"text": fields["text"], "edited": {"user": ME}}
                return {"ts": ts, "text": fields["text"], "message": {"text": fields["text"], "user": ME}}
            case "conversations.invite":
                one["members"] += fields["users"].split(",")
                return {"channel": self._shown(one)}
            case "reactions.add":
                return {"error": "already_reacted"}
        return {"error": "unknown_method"}

    def _file(self, file_id: str) -> Raw:
        file = self.files[file_id]
        file["looks"] = file.get("looks", 0) + 1
        shares = {channel_id: [{"ts": "1795000900.000100"}] for channel_id in file.get("channels", ())}
        return file | ({"shares": {"public": shares}} if file["looks"] > self.shared_after else {})

    def _shown(self, one: Raw) -> Raw:
        return {name: value for name, value in one.items() if name != "members"} | {"is_member": ME in one["members"]}

    def _top(self, raw: Raw, said: list[Raw]) -> Raw:
        answers = sorted(other["ts"] for other in said if other.get("thread_ts") == raw["ts"] != other["ts"])
        return raw | ({"reply_count": len(answers), "latest_reply": answers[-1]} if answers else {})

    def _paged(self, plural: str, records: list[Any], fields: Raw) -> Raw:
        start = int(fields.get("cursor") or 0)
        end = start + min(self.page, int(fields.get("limit") or 100))
        cursor = str(end) if end < len(records) else ""
        return {plural: records[start:end], "response_metadata": {"next_cursor": cursor}}


def _is_top(raw: Raw) -> bool:
    return raw.get("thread_ts") in (None, raw["ts"]) or raw.get("subtype") == "thread_broadcast"


def _type(one: Raw) -> str:
    if one.get("is_im"):
        return "im"
    return "mpim" if one.get("is_mpim") else "private_channel" if one.get("is_private") else "public_channel"


def _bounded(raws: list[Raw], fields: Raw, *, newest_first: bool) -> list[Raw]:
    """`oldest` and `latest` are left out themselves unless `inclusive`."""
    oldest, latest = fields.get("oldest", ""), fields.get("latest", "~")
    inclusive = fields.get("inclusive") == "true"
    within = [raw for raw in raws if oldest < raw["ts"] < latest or (inclusive and raw["ts"] in (oldest, latest))]
    return sorted(within, key=lambda raw: str(raw["ts"]), reverse=newest_first)


def _handler(slack: Slack) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.startswith("/upload/"):
                slack.calls.append(("upload", {}, str(self.headers.get("Authorization"))))
                slack.contents[self.path.rpartition("/")[2]] = raw
                self._answer(slack.refusals.pop("upload")[0].status if "upload" in slack.refusals else 200, b"OK")
                return
            body = raw.decode()
            is_json = "json" in str(self.headers.get("Content-Type"))
            fields = json.loads(body) if is_json else dict(parse_qsl(body))
            method = self.path.rpartition("/")[2]
            slack.calls.append((method, fields, str(self.headers.get("Authorization")).removeprefix("Bearer ")))
            waiting = slack.refusals.get(method)
            refusal = waiting.pop(0) if waiting else slack.failing(method)
            answer = {"error": refusal.error} if refusal.error else slack.answer(method, fields)
            data = json.dumps({"ok": "error" not in answer} | answer).encode()
            self.send_response_only(refusal.status)
            self.send_header("Date", slack.date or self.date_time_string())
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in refusal.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            slack.calls.append(("download", {}, str(self.headers.get("Authorization"))))
            content = slack.contents.get(self.path.rpartition("/")[2], b"")
            self._answer(200, slack.file_page or content, "text/html" if slack.file_page else "text/plain")

        def _answer(self, status: int, content: bytes, kind: str = "text/plain") -> None:
            self.send_response_only(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    return Handler

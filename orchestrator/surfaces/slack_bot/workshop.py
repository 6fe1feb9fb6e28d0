"""Works off what was written down: who speaks, what they mean, which verb of the front desk that is. Thinks nothing, decides nothing.

A delivery may be handled a second time after a crash: requests carry their delivery as key, decisions are taken once by the desk, and
remarks are looked for before they are left again. One person's deliveries are handled in their order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.errors import ConnectorError, OutcomeUnknown, RateLimited, Unreachable
from connectors.slack import text as slack_text
from orchestrator import errors, ids
from orchestrator.deputy import Deputy
from orchestrator.deputy.slack import DOOR, waiting_for
from orchestrator.domain.principal import Principal
from orchestrator.store.slack_inbox import Delivery
from orchestrator.store.slack_posts import Post
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.slack_bot import blocks as kit
from orchestrator.surfaces.slack_bot import commands, home_view
from orchestrator.surfaces.slack_bot.board import Board, work_post
from orchestrator.surfaces.slack_bot.identity import Identity, Known, Unconfirmed, Unknown
from orchestrator.surfaces.slack_bot.replies import Replies
from orchestrator.surfaces.slack_bot.work_view import FINAL

log = logging.getLogger("deputy.slack")
AT_ONCE = 32
LOOK_EVERY_S = 2.0
SWEEP_EVERY_S = 600.0
EARLY_S = 600.0  # so long a reply waits for the first message of its thread


class Workshop:
    """One for each process."""

    def __init__(
        self,
        desk: Deputy,
        identity: Identity,
        board: Board,
        replies: Replies,
        *,
        bot_user_id: str,
        desk_url: str | None,
    ) -> None:
        self._desk, self._identity, self._board, self._replies = desk, identity, board, replies
        self._bot, self._desk_url = bot_user_id, desk_url
        self._fresh = asyncio.Event()

    def wake(self) -> None:
        self._fresh.set()

    async def run(self, drain: Drain) -> None:
        """Until the server ends; what is under way then is finished."""
        loop, swept = asyncio.get_running_loop(), 0.0
        while not drain.has_begun():
            self._fresh.clear()
            try:
                if loop.time() - swept >= SWEEP_EVERY_S:
                    await asyncio.to_thread(self._desk.slack.sweep)
                    swept = loop.time()
                if await self.work_off():
                    continue
            except errors.StoreUnavailable as error:
                log.warning("deliveries wait: %s", error.message)
            ending = asyncio.ensure_future(drain.ends(LOOK_EVERY_S))
            waking = asyncio.ensure_future(self._fresh.wait())
            await asyncio.wait({ending, waking}, return_when=asyncio.FIRST_COMPLETED)
            for one in (ending, waking):
                one.cancel()

    async def work_off(self) -> bool:
        """One portion; whether there was anything."""
        found = await asyncio.to_thread(self._desk.slack.claim, AT_ONCE)
        by_sender: dict[str, list[Delivery]] = {}
        for one in found:
            by_sender.setdefault(one.sender, []).append(one)
        await asyncio.gather(*(self._in_order(several) for several in by_sender.values()))
        return bool(found)

    async def _in_order(self, deliveries: Sequence[Delivery]) -> None:
        for one in deliveries:
            await self._settle(one)

    async def _settle(self, delivery: Delivery) -> None:
        try:
            if await self.handle(delivery):
                await asyncio.to_thread(self._desk.slack.done, delivery)
            return
        except (RateLimited, Unreachable, OutcomeUnknown, errors.StoreUnavailable) as error:
            log.info("a delivery waits (%s): %s", delivery.kind, error)
        except ConnectorError as error:
            log.warning("Slack refuses what a delivery needs (%s): %s", delivery.kind, error.message)
        except Exception:
            log.exception("a delivery was not foreseen (%s)", delivery.kind)
        with contextlib.suppress(errors.StoreUnavailable):  # its lease ends by itself
            if not await asyncio.to_thread(self._desk.slack.put_off, delivery):
                log.error("a delivery is given up (%s)", delivery.kind)

    # ---- who ---------------------------------------------------------------------------------------------------------
    async def handle(self, delivery: Delivery) -> bool:
        """False: it waits for something."""
        if delivery.kind == "user":
            self._identity.forget(delivery.sender.partition("/")[2])
            return True
        who = await self._identity.who(delivery.sender)
        if delivery.kind == "action" and delivery.body["action"] in ("link_yes", "link_no"):
            await self._link(delivery, who)
            return True
        match who:
            case Unknown(why):
                if delivery.kind != "home" and self._is_for_us(delivery):
                    await self._replies.alone(delivery, f"I cannot do anything for you: {why}.")
                return True
            case Unconfirmed():
                return await self._introduce(delivery, who)
            case Known(visitor):
                try:
                    return await self._handle(delivery, visitor.principal)
                except errors.StoreUnavailable:
                    raise
                except errors.DeputyError as error:
                    await self._replies.alone(delivery, _told(error))
                    return True

    def _is_for_us(self, delivery: Delivery) -> bool:
        """Not what people say to each other in a thread."""
        body = delivery.body
        return delivery.kind != "message" or bool(body["is_direct"] or body["is_mention"])

    async def _introduce(self, delivery: Delivery, who: Unconfirmed) -> bool:
        """Asks them once, in their direct messages; what they have sent waits for it."""
        if delivery.kind in ("action", "edit", "deny"):
            await self._replies.alone(
                delivery, "Nothing was changed: I do not know yet who you are. Write to me first."
            )
            return True
        if delivery.kind == "home" or not self._is_for_us(delivery):
            return True
        channel = await self._identity.direct(delivery.sender.partition("/")[2])
        linked = await asyncio.to_thread(self._desk.slack.propose, delivery.sender, who.person, channel)
        post = Post(
            post_id=ids.derived("post", "ask", delivery.sender, who.person, linked.asked_at.isoformat()),
            kind="ask",
            item_id="",
            approval_id=None,
            person=who.person,
            channel=channel,
            thread_ts=None,
            is_private=True,
        )
        await asyncio.to_thread(self._desk.slack.intend, post)
        if not await self._board.put(post, home_view.introduction(who.name, who.person)):
            raise Unreachable("the question was not posted yet", fix="Try again.")
        if channel != delivery.body.get("channel", delivery.body.get("channel_id")):
            await self._replies.alone(
                delivery, "I have a question for you in our direct messages; then I go on with this."
            )
        await asyncio.to_thread(self._desk.slack.park, delivery, waiting_for(delivery.sender))
        now = await asyncio.to_thread(self._desk.slack.linked, delivery.sender)
        if now is not None and now.is_confirmed:  # they were faster
            await asyncio.to_thread(self._desk.slack.release, delivery.sender)
            self.wake()
        return False

    async def _link(self, delivery: Delivery, who: Any) -> None:
        value = kit.value_of(delivery.body)
        if isinstance(who, Unconfirmed) and value.get("p") == who.person:
            visitor = await asyncio.to_thread(self._desk.access.of_address, who.person)
            if visitor is not None and delivery.body["action"] == "link_yes":
                await asyncio.to_thread(self._desk.slack.confirm, visitor.principal, delivery.sender)
                self.wake()
                for root_id in await asyncio.to_thread(self._desk.slack.unsettled):
                    self._board.want(root_id)
                await self._replies.instead(delivery, home_view.introduced(who.name, who.person))
                return
            await asyncio.to_thread(self._desk.slack.decline, delivery.sender)
            await self._replies.instead(delivery, home_view.not_introduced())
            return
        why = who.why if isinstance(who, Unknown) else "this was answered before, or asks somebody else"
        await self._replies.alone(delivery, f"Nothing was changed: {why}.")

    # ---- what --------------------------------------------------------------------------------------------------------
    async def _handle(self, delivery: Delivery, who: Principal) -> bool:
        match delivery.kind:
            case "message":
                return await self._message(delivery, who)
            case "command":
                await self._command(delivery, who)
            case "action":
                await self._action(delivery, who)
            case "edit" | "deny":
                await self._decide(delivery, who, delivery.kind, delivery.body)
            case "home":
                await self._home(delivery, who)
        return True

    async def _command(self, delivery: Delivery, who: Principal) -> None:
        words = slack_text.unescape(str(delivery.body["text"])).strip()
        channel = await self._identity.direct(delivery.sender.partition("/")[2])
        told = await asyncio.to_thread(
            commands.run,
            self._desk,
            who,
            words,
            direct=channel,
            is_again=delivery.attempts > 0,
            desk_url=self._desk_url,
        )
        if told is not None:
            await self._replies.alone(delivery, told)
            return
        item_id = await self._ask(delivery, who, words, channel, None, is_private=True)
        if channel != delivery.body["channel_id"]:
            await self._replies.alone(delivery, f"On it, in our direct messages (`{item_id}`): nobody here reads it.")

    async def _message(self, delivery: Delivery, who: Principal) -> bool:
        body = delivery.body
        words = await self._words(str(body["text"]))
        thread_ts = str(body["thread_ts"] or body["ts"])
        place = _place(delivery.sender, str(body["channel"]), thread_ts)
        is_asked = bool(body["is_direct"] or body["is_mention"])
        bound = await asyncio.to_thread(self._desk.slack.bound, place)
        if bound is None and body["thread_ts"] and not is_asked:
            if float(body["ts"]) - float(thread_ts) > EARLY_S:
                return True
            await asyncio.to_thread(self._desk.slack.park, delivery, waiting_for(place))
            if await asyncio.to_thread(self._desk.slack.bound, place) is not None:  # it was bound in between
                await asyncio.to_thread(self._desk.slack.release, place)
                self.wake()
            return False
        if bound is not None:
            document = await self._seen(who, bound)
            if document is None and not is_asked:
                return True  # people talking in the thread of somebody else's work
            if document is not None and document["state"] not in FINAL:
                await self._remark(delivery, who, document, words, is_asked=is_asked)
                return True
            if not is_asked:
                return True
        if not words:
            await self._replies.alone(delivery, "Say what you want, e.g. _what is on my calendar today_.")
            return True
        await self._ask(delivery, who, words, str(body["channel"]), thread_ts, is_private=bool(body["is_direct"]))
        return True

    async def _seen(self, who: Principal, item_id: str) -> dict[str, Any] | None:
        try:
            return await asyncio.to_thread(self._desk.item, who, item_id)
        except errors.NotFound:
            return None

    async def _remark(
        self, delivery: Delivery, who: Principal, document: Mapping[str, Any], words: str, *, is_asked: bool
    ) -> None:
        """An answer where something was asked of them, else a nudge."""
        item_id, is_theirs = str(document["item_id"]), document["requester"] == who.principal_id
        if not words or (not is_theirs and not is_asked):
            return
        if document.get("question") is not None and is_theirs:
            question = str(document["question"]["question_id"])
            await asyncio.to_thread(self._desk.answer, who, item_id, words, question_id=question)
        elif not await asyncio.to_thread(self._desk.slack.was_said, item_id, who.principal_id, words, delivery):
            await asyncio.to_thread(self._desk.nudge, who, item_id, words)
            await self._replies.alone(delivery, "Passed on to whoever works on it.")
        self._board.want(item_id)
        if delivery.body["is_direct"]:
            await self._replies.at_rest(str(delivery.body["channel"]), str(delivery.body["thread_ts"]))

    async def _ask(
        self, delivery: Delivery, who: Principal, words: str, channel: str, thread_ts: str | None, *, is_private: bool
    ) -> str:
        """Submits, and begins the one message about it. The same delivery makes the same item and the same message."""
        reply_to = {"door": DOOR, "channel": channel, "thread_ts": thread_ts, "is_private": is_private}
        key = f"slack {delivery.delivery_id}"
        item_id = await asyncio.to_thread(self._desk.submit, who, words, key=key, reply_to=reply_to)
        if thread_ts is not None:
            await asyncio.to_thread(self._desk.slack.bind, _place(delivery.sender, channel, thread_ts), item_id)
        post = Post(
            post_id=work_post(item_id, channel, thread_ts),
            kind="work",
            item_id=item_id,
            approval_id=None,
            person=who.principal_id,
            channel=channel,
            thread_ts=thread_ts,
            is_private=is_private,
        )
        await asyncio.to_thread(self._desk.slack.intend, post)
        self._board.want(item_id)
        self.wake()
        return item_id

    async def _words(self, text: str) -> str:
        """What was said, without the mention of the bot; other people by their names."""
        said = text.replace(f"<@{self._bot}>", " ")
        for user_id in dict.fromkeys(slack_text.mentioned(said)):
            name = slack_text.escape(await self._identity.name(user_id))
            said = re.sub(rf"<@{user_id}(\|[^<>]*)?>", name.replace("\\", "\\\\"), said)
        return " ".join(slack_text.read(said, lambda one: one, lambda one: one).split(" ")).strip()

    # ---- buttons -----------------------------------------------------------------------------------------------------
    async def _action(self, delivery: Delivery, who: Principal) -> None:
        body = delivery.body
        action, value = str(body["action"]), kit.value_of(body)
        item_id = str(value.get("i") or "")
        match action:
            case "approve":
                await self._decide(delivery, who, "approve", value)
            case "why":
                approval = await asyncio.to_thread(self._desk.approval, who, str(value.get("a")))
                effect = await asyncio.to_thread(self._desk.why, who, approval["effect_id"])
                await self._replies.alone(delivery, home_view.why(effect))
            case "cancel" | "bump":
                await asyncio.to_thread(self._desk.cancel if action == "cancel" else self._desk.bump, who, item_id)
                self._board.want(item_id)
            case "share":
                await self._share(who, item_id, str(value["c"]), value.get("t"))
            case "thumb" | "thumb_good" | "thumb_bad":
                verdict, _, about = str(body["value"]).partition(":")
                if action != "thumb":
                    verdict, about = action.removeprefix("thumb_"), item_id
                good = verdict == "good"
                await asyncio.to_thread(self._desk.feedback.give, who, about, is_good=good, door=DOOR)
                await self._replies.alone(delivery, "Thank you, noted.")
            case "unlink":
                await asyncio.to_thread(self._desk.slack.unlink, who, delivery.sender)
                await self._home(delivery, who)
            case _ if action.startswith("answer_"):
                given = {"question_id": str(value.get("q"))}
                await asyncio.to_thread(self._desk.answer, who, item_id, str(value.get("n")), **given)
                self._board.want(item_id)

    async def _decide(self, delivery: Delivery, who: Principal, verdict: str, value: Mapping[str, Any]) -> None:
        """INVARIANT: what does not come through the desk changes nothing, and is told to whoever clicked, alone."""
        approval_id, digest = str(value.get("a")), str(value.get("d"))
        more: dict[str, Any] = {"reason": value.get("reason") or None} if verdict == "deny" else {}
        if verdict == "edit":
            more = {"args": value.get("args") or {}}
        try:
            await asyncio.to_thread(self._desk.decide, who, approval_id, verdict, digest=digest, **more)
        except errors.Conflict:
            if not (delivery.attempts and await self._was_me(who, approval_id)):
                raise
        finally:
            with contextlib.suppress(errors.DeputyError):
                card = await asyncio.to_thread(self._desk.approval, who, approval_id)
                root_id = await asyncio.to_thread(self._desk.slack.root_of, card["item_id"])
                self._board.want(root_id)

    async def _was_me(self, who: Principal, approval_id: str) -> bool:
        """Whether a decision of before the crash was this one."""
        card = await asyncio.to_thread(self._desk.approval, who, approval_id)
        return who.principal_id in card["decided_by"] or card["state"] == "void"

    async def _share(self, who: Principal, item_id: str, channel: str, thread_ts: str | None) -> None:
        document = await asyncio.to_thread(self._desk.item, who, item_id)
        if document["requester"] != who.principal_id:
            raise errors.NotEligible("only who asked may share the answer", fix="ask them")
        post = Post(
            post_id=ids.derived("post", "shared", item_id, channel, thread_ts),
            kind="shared",
            item_id=item_id,
            approval_id=None,
            person=who.principal_id,
            channel=channel,
            thread_ts=thread_ts,
            is_private=False,
        )
        await asyncio.to_thread(self._desk.slack.intend, post)
        self._board.want(item_id)

    async def _home(self, delivery: Delivery, who: Principal) -> None:
        view = await asyncio.to_thread(home_view.home, self._desk, who, self._desk_url)
        await self._replies.home(delivery.sender.partition("/")[2], view)


def _place(sender: str, channel: str, thread_ts: str) -> str:
    """A thread, and who speaks in it: several people's work may be asked for in one."""
    team, _, user = sender.partition("/")
    return f"{team}/{channel}/{thread_ts}/{user}"


def _told(error: errors.DeputyError) -> str:
    fix = f" ({error.fix})" if error.fix else ""
    return f"Nothing was changed: {error.message}{fix}."

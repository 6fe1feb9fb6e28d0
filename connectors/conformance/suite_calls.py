"""What holds for every call: answers in shape, errors in kind, one effect for one key, and a word about lost answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jsonschema import Draft202012Validator

from connectors.conformance.collecting import needs
from connectors.conformance.examples import Example, count, example
from connectors.conformance.provider import EFFECTS, MAKERS, READS, Provider, new_key
from connectors.errors import (
    Conflict,
    ConnectorError,
    InvalidCall,
    OutcomeUnknown,
    RateLimited,
    ReconsentNeeded,
    Unreachable,
)
from connectors.spec import Absent, Done, EffectClass, Unknown


def _assert_shape(provider: Provider, tool: str, answer: object) -> None:
    Draft202012Validator(provider.specs()[tool].output).validate(answer)


def _attempt_and_lose(provider: Provider, one: Example, arm: Callable[[str], None], key: str) -> None:
    arm(one.tool)
    with pytest.raises(OutcomeUnknown):
        provider.do(one.tool, one.args, key=key)


class TestReads:
    @pytest.mark.parametrize("tool", READS)
    def test_a_read_answers_in_shape(self, provider: Provider, tool: str) -> None:
        """Every read gives what its output schema says, and needs no key."""
        one = example(provider, tool)

        _assert_shape(provider, tool, provider.read(tool, **one.args))

    @pytest.mark.parametrize("tool", [*READS, *EFFECTS])
    def test_an_argument_nobody_knows_is_refused(self, provider: Provider, tool: str) -> None:
        """Arguments outside the schema are InvalidCall, never ignored."""
        provider.need(tool)

        with pytest.raises(InvalidCall):
            provider.do(tool, {"no_such_argument": 1})

    @needs("mail")
    def test_errors_say_what_to_do(self, provider: Provider) -> None:
        """A refusal carries a message and a fix, and names no address."""
        provider.need("mail.get_message")

        with pytest.raises(ConnectorError) as caught:
            provider.read("mail.get_message", message_id="msg_none")

        assert caught.value.message
        assert caught.value.fix
        assert provider.account.subject not in caught.value.message


class TestEffects:
    @pytest.mark.parametrize("tool", EFFECTS)
    def test_an_effect_answers_in_shape_and_happens_once(self, provider: Provider, tool: str) -> None:
        """One call makes one object, and its answer is what the output schema says."""
        one = example(provider, tool)

        answer = provider.do(tool, one.args)

        _assert_shape(provider, tool, answer)
        assert count(provider, one) in (1, None)

    @pytest.mark.parametrize("tool", EFFECTS)
    def test_what_the_class_promises_of_a_second_call_holds(self, provider: Provider, tool: str) -> None:
        """Where the provider refuses a second call, the same key leaves one object: absorbed, or a Conflict."""
        one = example(provider, tool)
        is_refused = provider.specs()[tool].provider_refuses_second
        key = new_key()
        first = provider.do(tool, one.args, key=key)

        try:
            second = provider.do(tool, one.args, key=key)
        except Conflict:
            assert is_refused
            second = first

        _assert_shape(provider, tool, second)
        assert count(provider, one) in ((1, None) if is_refused else (1, 2))

    @pytest.mark.parametrize("tool", MAKERS)
    def test_another_key_is_another_effect(self, provider: Provider, tool: str) -> None:
        """Keys tell effects apart: the same arguments under a second key happen again."""
        one = example(provider, tool)

        provider.do(tool, one.args)
        provider.do(tool, one.args)

        assert count(provider, one) == 2

    @pytest.mark.parametrize("tool", EFFECTS)
    def test_a_done_effect_is_found_again(self, provider: Provider, tool: str) -> None:
        """Asked by key, the provider says done with the same answer; with a key never used it does not say done.

        Save where repeating leaves the same state, or the backend lets nobody mark what it made: what holds is done.
        """
        one = example(provider, tool)
        key = new_key()
        answer = provider.do(tool, one.args, key=key)

        found = provider.reconcile(tool, one.args, key)

        assert found == Done(answer) or isinstance(found, Unknown)
        is_by_key = provider.specs()[tool].effect_class is not EffectClass.IDEMPOTENT
        if is_by_key and tool not in provider.found_by_state:
            assert not isinstance(provider.reconcile(tool, one.args, new_key()), Done)

    @pytest.mark.parametrize("tool", EFFECTS)
    def test_an_effect_whose_answer_was_lost_is_found(self, provider: Provider, tool: str) -> None:
        """After a time-out that came too late to prevent anything, reconcile says done, in the shape of an answer."""
        if provider.lose_answer is None:
            pytest.skip("the provider cannot lose an answer")
        one = example(provider, tool)
        key = new_key()

        _attempt_and_lose(provider, one, provider.lose_answer, key)

        found = provider.reconcile(tool, one.args, key)
        assert isinstance(found, Done)
        _assert_shape(provider, tool, found.result)
        assert count(provider, one) in (1, None)

    @pytest.mark.parametrize("tool", EFFECTS)
    def test_an_effect_that_never_arrived_is_absent(self, provider: Provider, tool: str) -> None:
        """After a time-out before anything happened, reconcile says absent, and the same key may be sent again."""
        if provider.lose_request is None:
            pytest.skip("the provider cannot lose a request")
        one = example(provider, tool)
        key = new_key()

        _attempt_and_lose(provider, one, provider.lose_request, key)

        assert provider.reconcile(tool, one.args, key) == Absent()
        assert count(provider, one) in (0, None)
        _assert_shape(provider, tool, provider.do(tool, one.args, key=key))
        assert count(provider, one) in (1, None)

    @pytest.mark.parametrize("error", [RateLimited, ReconsentNeeded, Unreachable])
    @pytest.mark.parametrize("tool", MAKERS)
    def test_a_refused_effect_did_not_happen(self, provider: Provider, tool: str, error: type[ConnectorError]) -> None:
        """Rate limits, lapsed credentials and dead lines come as their own errors, and leave nothing behind."""
        if provider.refuse is None:
            pytest.skip("the provider cannot be made to refuse")
        one = example(provider, tool)
        key = new_key()

        provider.refuse(tool, error)
        with pytest.raises(error) as caught:
            provider.do(tool, one.args, key=key)

        assert not isinstance(caught.value, RateLimited) or caught.value.retry_after_s > 0
        assert count(provider, one) == 0
        assert provider.reconcile(tool, one.args, key) == Absent()

    @pytest.mark.parametrize("tool", EFFECTS)
    def test_a_provider_that_cannot_say_says_so(self, provider: Provider, tool: str) -> None:
        """Without a way to find out the answer is unknown, never absent."""
        if provider.cannot_tell is None:
            pytest.skip("the provider can always tell")
        one = example(provider, tool)
        key = new_key()
        provider.do(tool, one.args, key=key)

        provider.cannot_tell(tool)

        assert isinstance(provider.reconcile(tool, one.args, key), Unknown)

    @pytest.mark.parametrize("tool", EFFECTS)
    def test_preconditions_hold_when_they_are_read(self, provider: Provider, tool: str) -> None:
        """Each is a sentence for a card, and true at the moment it is named."""
        one = example(provider, tool)

        for precondition in provider.preconditions(tool, one.args):
            assert precondition.text
            assert provider.check(precondition) is None

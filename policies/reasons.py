"""Plain sentences for a decision: why, and the smallest change that would have passed. Wording only; nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.evaluate import FAILED, NO_RULE

# rule → (why, the smallest change that would have passed)
_SENTENCES: dict[str, tuple[str, str]] = {
    "nothing happens while suspended": ("Work is halted.", "Lift the halt."),
    "an unknown tool or argument stays closed": (
        "The tool is not known, or its arguments do not fit.",
        "Mount the tool with a manifest, and use only the arguments of its schema.",
    ),
    "nothing outside the scope of the grant": (
        "The tool is outside what this run was granted.",
        "Grant the run this tool.",
    ),
    "no effect on a value from untrusted text": (
        "{value} comes only from untrusted text, or from nowhere.",
        "Name {value} in the request, or let the record that holds it be one that the request names.",
    ),
    "no visit to an address from outside text": (
        "{value} does not come from the user or from a colleague.",
        "Write the address in the request.",
    ),
    "what contradicts the request is closed": (
        "It is not what was asked for: {contradiction}.",
        "Do what the request says, or say so in the request.",
    ),
    "a secret nobody asked for does not leave": (
        "A secret was read that the request did not ask to pass on.",
        "Ask for the secret by name, with where it is and who gets it; or do this step where the secret was not read.",
    ),
    "destructive calls touch only what the user meant": (
        "It cannot be taken back, and the request does not ask for it on exactly this.",
        "Ask for it in the request, naming the one thing it shall happen to.",
    ),
    "strangers out of outside prose do not come in together": (
        "All the people it would let in are known only from an outsider's text.",
        "Name one of them in the request.",
    ),
    "a text of links alone is not sent": (
        "Without links that the user did not write, nothing is left to send.",
        "Write the link in the request.",
    ),
    "one request makes no more than five hundred effects": (
        "This request has made too many effects.",
        "Split the work into several requests.",
    ),
    "more than fifty people at once wait for a person": (
        "It reaches more than fifty people at once.",
        "Send to fifty people or fewer.",
    ),
    "a person may approve what the request asked for": (
        "The request asks for it, but {value} is not something the user named or singled out.",
        "Name {value} in the request.",
    ),
    "a person may approve what the request did not mention": (
        "The request does not mention it{quota}.",
        "Ask for it in the request.",
    ),
    "a person may approve telling people what they could not read": (
        "It could tell people what they were not meant to read: {audience}.",
        "Name the source and the receiver in the request.",
    ),
    "a person may approve a write that nothing anchors": (
        "Nothing in it comes from the request or from what the request points to.",
        "Say its title, time or text in the request.",
    ),
    "a person may approve a visit to a colleague's link": (
        "The link was written by a colleague, not by the user.",
        "Write the address in the request.",
    ),
    "a person may approve a destructive call": (
        "It cannot be taken back, so a person confirms it.",
        "Nothing makes this one pass unasked.",
    ),
    "a run that leaves its own history waits for a person": (
        "This is not what earlier runs did: {unusual}.",
        "Let it do what earlier runs did.",
    ),
    "a read within scope is allowed": ("Reading changes nothing.", ""),
    "work handed on within one's own authority is allowed": (
        "It stays in the house, and gains no authority by it.",
        "",
    ),
    "a visit to an address the user wrote is allowed": ("The user wrote the address.", ""),
    "a change that stays with the user is allowed": ("The user asked for it, and nobody else is told.", ""),
    "a change the user asked for is allowed": ("The user asked for it, on what they meant.", ""),
    "telling people whom the user named is allowed": ("The user asked for it and named whom it reaches.", ""),
    NO_RULE: ("No rule permits it.", "Ask for it in the request, naming what it acts on and whom it reaches."),
    FAILED: (
        "The rules could not be evaluated, so the door stays closed.",
        "Run `deputy policy check` and correct the rules.",
    ),
}
_CAREFUL = ("It tells other people something, and this profile asks before that.", "Use the profile `delegated`.")


def reason(rules: Sequence[str], told: Mapping[str, Any], effect: str) -> str:
    return " ".join(_fill(_pair(rule, told)[0], told, effect) for rule in rules[:2])


def near_miss(rules: Sequence[str], told: Mapping[str, Any], effect: str) -> str | None:
    if effect == "allow" or not rules:
        return None
    return _fill(_pair(rules[0], told)[1], told, effect) or None


def _pair(rule: str, told: Mapping[str, Any]) -> tuple[str, str]:
    if rule.startswith("a person may approve") and told.get("unusual"):
        return _SENTENCES["a run that leaves its own history waits for a person"]
    if rule == "a person may approve what the request asked for" and told.get("level", 0) >= 3:
        return _CAREFUL
    return _SENTENCES.get(rule, (f"A rule of this house says: {rule}.", f"Ask whoever keeps the rule: {rule}."))


def _fill(sentence: str, told: Mapping[str, Any], effect: str) -> str:
    listed = told.get("identities") or []
    lowest = min(listed, key=lambda entry: entry["level"], default=None)
    contradictions = told.get("contradictions") or ["something else was asked for"]
    return sentence.format(
        value=f"the {lowest['arg']} ({lowest['why']})" if lowest else "a value",
        contradiction=contradictions[0],
        audience=told.get("audience") or "unknown readers",
        unusual=told.get("unusual") or "it is new",
        quota=" (or not this often)" if told.get("granted") and not told.get("within_quota") else "",
    )

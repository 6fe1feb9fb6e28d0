"""What a tool does and what each of its arguments stands for: parsed from a manifest, or derived when there is none.

A derived manifest errs to the side of caution: a verb nobody knows is a destructive effect, an argument nobody knows names
something that is acted on. Manifests are read once, when a case opens; the guard then works on `Tool` values only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast, get_args

from policies import lexicon

Role: TypeAlias = Literal["who", "where", "what", "url", "amount", "time", "text", "pick", "query"]
Trust: TypeAlias = Literal["attested", "text", "id", "secret"]
ROLES: frozenset[str] = frozenset(get_args(Role))
TRUSTS: frozenset[str] = frozenset(get_args(Trust))


class ManifestError(ValueError):
    """A manifest that cannot be used; the message names the tool, the place and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg:
    name: str
    role: Role
    type: str = "text"  # id(COLLECTION) | person | address | text | title | date | datetime | minutes | number | enum
    choices: tuple[str, ...] = ()  # the schema's enum, where there is one
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    fields: Mapping[str, Trust] = field(default_factory=dict)
    author: str | None = None  # the field that names who wrote a record
    readers: tuple[str, ...] = ()  # fields that name who can read it already
    records: str | None = None  # where the records stand in an answer
    author_known: bool = True  # whether records of this kind have an author at all
    # Of answers, for `listeners` alone; no call is decided by them.
    open_to: str = ""  # "colleagues": each of them gets the same by asking themselves; "nobody"
    open_about: str = ""  # the argument that names whom it is about, where it is open about colleagues only
    own: tuple[str, ...] = ()  # arguments that ask for what only the account itself knows
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # field → values that keep a record to its maker


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    name: str
    effect: str
    noun: str  # as the manifest says it
    kind: str  # `lexicon.NOUNS`' name of the noun
    destructive: bool
    args: Mapping[str, Arg]
    output: Output
    collection: str | None = None
    record: str | None = None  # the argument that holds the id of what it acts on
    open_schema: bool = False  # whether arguments that the schema does not name are taken
    known: bool = True  # False: not even the verb was understood
    is_directory: bool = False
    is_contacts: bool = False
    derived: bool = False

    @property
    def family(self) -> str:
        return self.name.partition(".")[0] if "." in self.name else ""

    def args_of(self, *roles: str) -> list[Arg]:
        return [arg for arg in self.args.values() if arg.role in roles]


def parse(spec: Mapping[str, Any]) -> Tool:
    """A tool of `guard.open`: {"name", "description", "parameters", "manifest": {...} | None}. ManifestError if unusable."""
    name = spec.get("name")
    if not isinstance(name, str) or not name:
        raise ManifestError("a tool has no name; give each tool a `name`")
    schema = spec.get("parameters") or {}
    manifest = spec.get("manifest")
    if manifest is None:
        return derive(name, str(spec.get("description") or ""), schema)
    problems = problems_of(name, manifest)
    if problems:
        raise ManifestError("; ".join(problems))
    return _declared(name, manifest, schema)


def problems_of(name: str, manifest: Any) -> list[str]:
    """What is wrong with one tool's manifest, one sentence each; empty when it can be used."""
    if not isinstance(manifest, Mapping):
        return [f"manifest of {name!r} is not a mapping; write effect, noun and args under the tool's name"]
    found = []
    if manifest.get("effect") not in lexicon.EFFECTS:
        found.append(
            f"manifest of {name!r}: effect {manifest.get('effect')!r} is none of {', '.join(sorted(lexicon.EFFECTS))}"
        )
    args = manifest.get("args") or {}
    if not isinstance(args, Mapping):
        return [*found, f"manifest of {name!r}: args is not a mapping of argument to role"]
    for arg, told in args.items():
        role = told.get("role") if isinstance(told, Mapping) else told
        if role not in ROLES:
            found.append(
                f"manifest of {name!r}: argument {arg!r} has role {role!r}; use one of {', '.join(sorted(ROLES))}"
            )
    output = manifest.get("output") or {}
    fields = output.get("fields") if isinstance(output, Mapping) else None
    if not isinstance(output, Mapping) or not isinstance(fields or {}, Mapping):
        return [*found, f"manifest of {name!r}: output is not a mapping with `fields`"]
    for key, trust in (fields or {}).items():
        if trust not in TRUSTS:
            found.append(
                f"manifest of {name!r}: output field {key!r} is {trust!r}; use one of {', '.join(sorted(TRUSTS))}"
            )
    return found


def _declared(name: str, manifest: Mapping[str, Any], schema: Mapping[str, Any]) -> Tool:
    properties = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    args: dict[str, Arg] = {}
    for arg, told in (manifest.get("args") or {}).items():
        role, kind = (told.get("role"), told.get("type")) if isinstance(told, Mapping) else (told, None)
        choices = _choices(properties.get(arg) or {})
        if isinstance(kind, Mapping):
            choices, kind = tuple(map(str, kind.get("enum") or ())) or choices, "enum"
        args[arg] = Arg(
            name=arg, role=cast(Role, role), type=str(kind or "text"), choices=choices, required=arg in required
        )
    for arg in properties:
        if arg not in args:
            args[arg] = _guess(arg, properties[arg], str(manifest["effect"]), arg in required)
    told_output = manifest.get("output")
    if told_output is None:
        output = _derived_output()
    else:
        readers = told_output.get("readers") or ()
        output = Output(
            fields=dict(told_output.get("fields") or {}),
            author=told_output.get("author"),
            readers=(readers,) if isinstance(readers, str) else tuple(readers),
            records=manifest.get("records"),
            author_known=told_output.get("author") is not None,
            open_to=str(told_output.get("open_to") or ""),
            open_about=str(told_output.get("open_about") or ""),
            own=tuple(map(str, told_output.get("own") or ())),
            kept={str(name): tuple(map(str, values)) for name, values in (told_output.get("kept") or {}).items()},
        )
    noun = str(manifest.get("noun") or "").lower()
    collection = manifest.get("collection")
    effect = str(manifest["effect"])
    return Tool(
        name=name,
        effect=effect,
        noun=noun,
        kind=kind_of(noun),
        destructive=bool(manifest.get("destructive", False)) or effect in lexicon.DESTRUCTIVE,
        args=args,
        output=output,
        collection=collection,
        record=manifest.get("record"),
        open_schema=not properties,
        is_directory=effect == "read" and (noun in lexicon.DIRECTORY_NOUNS or collection == "people"),
    )


def derive(name: str, description: str, schema: Mapping[str, Any]) -> Tool:
    """A cautious manifest from a tool's name, description and argument schema alone."""
    parts = words_of(name)
    at, verb = next(((at, part) for at, part in enumerate(parts) if part in lexicon.TOOL_VERBS), (-1, ""))
    properties: Mapping[str, Any] = schema.get("properties") or {}
    effect = lexicon.TOOL_VERBS.get(verb)
    known = effect is not None
    if effect is None:
        told = re.match(r"\W*(?:this tool |use this to )?(\w+?)s?\b", description.lower())
        effect = lexicon.TOOL_VERBS.get(told.group(1)) if told else None
        known = effect is not None
    nouns = [
        part
        for place, part in enumerate(parts)
        if place != at and part not in ("by", "of", "the", "a", "to", "in", "on", "for", "with")
    ]
    noun = _main_noun(nouns, effect)
    if effect == "read" and any(arg in lexicon.URL_ARGS for arg in properties):
        effect = "fetch"
    if effect not in (None, "read", "fetch"):
        if set(nouns) & lexicon.MONEY_NOUNS:
            effect = "pay"
        elif set(nouns) & lexicon.RULE_NOUNS and effect in ("update", "create", "add", "rule"):
            effect = "rule"
        elif effect == "add" and not set(nouns) & lexicon.PEOPLE_NOUNS:
            effect = "create"
        elif any(arg in lexicon.URL_ARGS for arg in properties) and effect in ("send", "create"):
            effect = "publish"
    required = set(schema.get("required") or ())
    sure = effect or "rule"
    contacts = any(part.startswith("contact") for part in nouns)
    return Tool(
        name=name,
        effect=sure,
        noun=noun,
        kind=kind_of(noun),
        destructive=not known or sure in lexicon.DESTRUCTIVE,
        args={arg: _guess(arg, told, sure, arg in required) for arg, told in properties.items()},
        output=_derived_output(),
        collection=kind_of(noun) or None,
        record=next((arg for arg in properties if _is_id(arg)), None),
        open_schema=not properties and schema.get("additionalProperties", True) is not False,
        known=known,
        is_directory=sure == "read" and not contacts and bool(set(nouns) & lexicon.DIRECTORY_NOUNS),
        is_contacts=sure == "read" and contacts,
        derived=True,
    )


def words_of(name: str) -> list[str]:
    """The words of a tool's name: calendar.create_event → calendar, create, event."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return [part.lower() for part in re.split(r"[^A-Za-z0-9]+", spaced) if part]


def kind_of(noun: str) -> str:
    """`lexicon.NOUNS`' name of a noun: its last word that has one, else the noun itself."""
    if noun in lexicon.NOUNS:
        return lexicon.NOUNS[noun]
    for word in reversed(noun.split()):
        if word in lexicon.NOUNS:
            first = noun.split()[0]
            return "chat" if first == "chat" or word == "chat" else lexicon.NOUNS[word]
    return noun


def _main_noun(nouns: list[str], effect: str | None) -> str:
    if "channel" in nouns and "message" in nouns or "direct" in nouns and "message" in nouns:
        return "chat message"
    if effect in ("add", "remove", "invite") and set(nouns) & lexicon.PEOPLE_NOUNS:
        return next(word for word in nouns if word in lexicon.PEOPLE_NOUNS)
    known = [word for word in nouns if word in lexicon.NOUNS]
    if "calendar" in known and len(known) > 1:
        known.remove("calendar")
    return known[0] if known else " ".join(nouns)


def _is_id(arg: str) -> bool:
    return arg == "id" or arg.endswith(("_id", "_ids")) or arg in ("file", "event", "path", "file_path", "attachments")


def _choices(told: Mapping[str, Any]) -> tuple[str, ...]:
    for schema in (told, *(told.get("anyOf") or ())):
        if isinstance(schema, Mapping) and schema.get("enum"):
            return tuple(map(str, schema["enum"]))
    return ()


def _guess(arg: str, told: Any, effect: str, required: bool) -> Arg:
    schema: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    kinds = {
        str(one.get("type"))
        for one in (schema, *(schema.get("anyOf") or ()))
        if isinstance(one, Mapping) and one.get("type")
    }
    choices = _choices(schema)
    name = arg.lower()
    last = words_of(name)[-1] if words_of(name) else name
    role: Role
    kind = "text"
    if choices or kinds and kinds <= {"boolean", "null"}:
        role, kind = "pick", "enum" if choices else "text"
    elif name in lexicon.URL_ARGS or last in lexicon.URL_ARGS:
        role = "url"
    elif _is_id(name):
        role, kind = "what", "id"
    elif name in lexicon.QUERY_ARGS:
        role = "query"
    elif name in lexicon.WHO_ARGS or last in lexicon.WHO_ARGS:
        role, kind = ("query" if effect == "read" else "who"), "address"
    elif name in lexicon.WHERE_ARGS:
        role = "what" if effect == "read" else "where"
    elif name in lexicon.AMOUNT_ARGS or last in lexicon.AMOUNT_ARGS:
        role, kind = "amount", "number"
    elif name in lexicon.TIME_ARGS or last in lexicon.TIME_ARGS:
        role, kind = "time", "datetime"
    elif name in lexicon.TEXT_ARGS or last in lexicon.TEXT_ARGS:
        role = "text"
    elif name in lexicon.TITLE_ARGS or last in lexicon.TITLE_ARGS:
        role, kind = ("query" if effect == "read" else "text"), "title"
    elif name in lexicon.PICK_ARGS or last in lexicon.PICK_ARGS:
        role = "pick"
    elif kinds and kinds <= {"integer", "number", "null"}:
        role, kind = "pick", "number"
    elif effect == "read":
        role = "query"
    else:
        role = "what"  # a hotel, a plan, a repository: something chosen, which has to come from somewhere
    return Arg(name=arg, role=role, type=kind, choices=choices, required=required)


def _derived_output() -> Output:
    """No field is declared: `records` judges each by its name and the shape of its value."""
    return Output(author=None, readers=(), author_known=False)


def field_trust(name: str, value: Any) -> Trust:
    """The trust of a field that no manifest names: numbers, dates and people fields are attested, prose is text."""
    key = name.lower().rstrip("_")
    if key == "id" or key.endswith(("_id", "_ids")):
        return "id"
    if (
        key in lexicon.READER_FIELDS
        or key in lexicon.AUTHOR_FIELDS
        or key in ("email", "address", "addresses", "emails", "account_email")
    ):
        return "attested"
    if key in ("password", "secret", "token", "api_key", "access_token", "security_code"):
        return "secret"
    if isinstance(value, (bool, int, float)):
        return "attested"
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}(?:[T ][\d:.+Z-]*)?|\d+(?:\.\d+)?", value):
        return "attested"
    return "text"

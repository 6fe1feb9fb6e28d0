"""Reads workflow files: YAML in, `Workflow` out, and every fault with its file, line, field and a fix.

The only place of this package that touches the file system. All faults of a file are reported together.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from orchestrator.errors import DeputyError
from orchestrator.workflows.definition import Workflow

DEEPEST = 60  # no workflow nests a quarter as deep
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is built in: ten times faster
PathKey = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault of a workflow file. `line` counts from 1; 0 where no line is to blame."""

    file: str
    line: int
    field: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        field = f" {self.field}:" if self.field else ""
        return f"{where}:{field} {self.message}" + (f" Fix: {self.fix}" if self.fix else "")


class BadWorkflow(DeputyError):
    """A workflow file cannot be used; `problems` says where and why."""

    code = "bad_workflow"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems), fix=problems[0].fix if problems else "")
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A parsed file: the workflow, and the line of each field."""

    file: str
    workflow: Workflow
    lines: dict[PathKey, int]

    def line(self, path: Iterable[str | int]) -> int:
        return _line(self.lines, tuple(path))


def load(path: Path) -> Source:
    """Reads and validates one file. Raises BadWorkflow."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(
            file=str(path), line=0, field="", message=f"cannot be read: {error}", fix="check path and encoding (UTF-8)"
        )
        raise BadWorkflow([problem]) from error
    return loads(text, file=str(path))


def loads(text: str, *, file: str = "workflow") -> Source:
    """Validates the text of one file. Raises BadWorkflow."""
    try:
        strange = _strange(text, file)
        node = yaml.compose(text, Loader=_Loader) if strange is None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = f"is not YAML: {getattr(error, 'problem', None) or error}"
        fix = "check indentation; quote a text that holds ': ', ' #' or starts with '{'"
        raise BadWorkflow(
            [Problem(file=file, line=mark.line + 1 if mark else 0, field="", message=message, fix=fix)]
        ) from error
    if strange is not None:
        raise BadWorkflow([strange])
    if not isinstance(node, yaml.MappingNode):
        raise BadWorkflow([Problem(file=file, line=1, field="", message="holds no fields", fix="start with name: …")])
    lines: dict[PathKey, int] = {}
    problems: list[Problem] = []
    data = _build(node, (), lines, problems, file)
    workflow: Workflow | None = None
    try:
        workflow = Workflow.model_validate(data)
    except ValidationError as error:
        problems += [_problem(file, lines, fault) for fault in error.errors(include_url=False)]
    if problems or workflow is None:
        raise BadWorkflow(problems)
    return Source(file=file, workflow=workflow, lines=lines)


def _strange(text: str, file: str) -> Problem | None:
    """What no workflow needs and no reader survives: repeats, which grow without bound, and nesting beyond any stack.

    Looked for among the parser's events, because composing nodes recurses.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            return Problem(file=file, line=line, field="", message="holds a YAML alias (*)", fix="write it out")
        if depth > DEEPEST:
            return Problem(file=file, line=line, field="", message=f"is nested {DEEPEST} deep", fix="split it")
    return None


_scalars = yaml.SafeLoader("")


def _build(node: yaml.Node, path: PathKey, lines: dict[PathKey, int], problems: list[Problem], file: str) -> Any:
    """Plain values of a node tree; records the line of each path and finds keys written twice."""
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in out:
                message = f"{key!r} stands here twice"
                problems.append(
                    Problem(
                        file=file,
                        line=key_node.start_mark.line + 1,
                        field=_dotted((*path, key)),
                        message=message,
                        fix="keep one",
                    )
                )
            out[key] = _build(value_node, (*path, key), lines, problems, file)
            lines[(*path, key)] = key_node.start_mark.line + 1
        return out
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*path, index), lines, problems, file) for index, child in enumerate(node.value)]
    if node.tag in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:str"):
        return node.value
    if node.tag == "tag:yaml.org,2002:bool" and node.value.lower() not in ("true", "false"):
        return node.value  # YAML 1.1 reads on, off, yes and no as truth values; here they are words
    try:
        return _scalars.construct_object(node)
    except (ValueError, ArithmeticError, LookupError, yaml.YAMLError):
        message = f"{str(node.value)[:80]!r} is not what its form says"
        problems.append(
            Problem(file=file, line=lines[path], field=_dotted(path), message=message, fix="quote it where it is text")
        )
        return None


def _line(lines: dict[PathKey, int], path: PathKey) -> int:
    for length in range(len(path), -1, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 0


def _dotted(path: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in path)


def _problem(file: str, lines: dict[PathKey, int], fault: Any) -> Problem:
    path: PathKey = tuple(part for part in fault["loc"])
    while path and path not in lines and fault["type"] != "missing":
        path = path[:-1]  # drops the names pydantic adds for alternatives of a union
    message = str(fault["msg"]).removeprefix("Value error, ")
    fix = ""
    if fault["type"] == "extra_forbidden":
        known = _fields_at(path[:-1])
        close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        message = f"unknown key {path[-1]!r}"
        fix = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}"
    elif fault["type"] == "missing":
        message, fix = f"{path[-1]!r} is missing", f"add {path[-1]}: …"
    elif fault["type"] == "enum":
        expected = str(fault.get("ctx", {}).get("expected", ""))
        close = difflib.get_close_matches(
            str(fault.get("input")), [word.strip(" '") for word in expected.replace(" or ", ",").split(",")], n=1
        )
        message, fix = (
            f"{fault.get('input')!r} is not known here",
            f"did you mean {close[0]!r}?" if close else f"one of {expected}",
        )
    elif fault["type"] == "string_pattern_mismatch":
        message = f"{fault.get('input')!r} has the wrong form"
        fix = f"it must match {fault.get('ctx', {}).get('pattern', '')}"
    return Problem(file=file, line=_line(lines, path), field=_dotted(path), message=message, fix=fix)


def _fields_at(path: PathKey) -> list[str]:
    """The keys that may stand at `path`, as written in files."""
    model: Any = Workflow
    for part in path:
        if isinstance(part, int):
            continue
        fields = getattr(model, "model_fields", {})
        by_alias = {(info.alias or name): info for name, info in fields.items()}
        if part in by_alias:
            model = _model_in(by_alias[part].annotation)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [info.alias or name for name, info in model.model_fields.items()]
    return []


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = _model_in(part)
        if found is not None:
            return found
    return None

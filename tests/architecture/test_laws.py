"""The laws of the house that a type checker cannot see, read off the source itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.architecture.source import PACKAGES, ROOT, Module, calls, dotted, imports, is_type_checking, modules

MOST_LINES = 400
LONGER: dict[str, str] = {  # file → why it is one story all the same
    "orchestrator/deputy/front.py": "the façade: every verb of the front desk, each a few lines",
    "orchestrator/gate/perform.py": "the checklist of one effect, from decision to outcome",
    "orchestrator/store/lease.py": "one claim from taking to settling; fence and settle share its rows",
    "orchestrator/store/effects.py": "the ledger's transitions, one short verb each",
    "orchestrator/store/worklist.py": "the worklist's verbs, one statement each",
    "orchestrator/workflows/execute.py": "one scheduler, whose parts share one state",
    "orchestrator/workflows/match.py": "one judgement: score, margin, words left over, and the sentence for each",
    "orchestrator/workflows/moments.py": "the grammar of dates and times, a table in the shape of code",
    "orchestrator/workflows/slots.py": "one reader for each slot type over one shared reading of the request",
    "policies/guard.py": "the pure heart: open, say, observe, decide over one case",
    "policies/labels.py": "where values come from; one traversal that must agree with itself",
}
CLOCKS: dict[str, str] = {  # file → why it may ask what time it is
    "orchestrator/clock.py": "the clock",
    "connectors/office/clock.py": "the office's clock, which ours follows",
    "connectors/office/seeding/__init__.py": "a world without a given now is built around the real one",
    "connectors/conformance/provider.py": "a test suite that third parties run against real providers",
    "orchestrator/store/migrations.py": "when the schema was changed, for a person who reads the table",
}
DURABLE = (
    "orchestrator/domain/",
    "orchestrator/store/",
    "orchestrator/gate/",
    "orchestrator/workflows/",
    "orchestrator/engine/",
    "policies/",
)
DRAWS: dict[str, str] = {  # file → what it may draw, and why nothing durable depends on it
    "orchestrator/engine/hosts.py": "a worker's name: a process is new at every start",
    "orchestrator/store/database.py": "how long to wait before a locked database is tried again",
}
UNTENANTED: dict[str, str] = {"schema_version": "one schema for all"}
TWO_WAYS: dict[tuple[str, str], str] = {  # deferred imports that close a circle on purpose
    (
        "connectors.office.office",
        "connectors.office.seeding",
    ): "an office can build itself anew, and the builder fills an office",
}


def found_in(problems: list[str]) -> str:
    return "\n" + "\n".join(problems)


def test_every_module_says_what_it_is_for() -> None:
    """Each file begins with a docstring."""
    silent = [module.path for module in modules() if not ast.get_docstring(module.tree)]

    assert not silent, found_in(silent)


def test_a_connector_is_called_from_one_place() -> None:
    """`Connector.call` has one caller: the gate's execute."""
    callers = {
        module.path
        for module in modules()
        if module.within("orchestrator/")
        for call in calls(module.tree)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "call"
        and {"account", "key"} <= {k.arg for k in call.keywords}
    }

    assert callers == {"orchestrator/gate/execute.py"}


def test_nobody_but_the_office_itself_takes_its_short_cut() -> None:
    """`call_now` and `Connector.call` under another name stay inside their connector."""
    users = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        if module.within("orchestrator/", "policies/")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "call_now"
    ]

    assert not users, found_in(users)


def test_time_comes_from_the_clock() -> None:
    """Nobody but the clocks asks what time it is, so the office's time is everybody's."""
    wrong = {
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "datetime.datetime.now",
        "datetime.date.today",
    }
    asked = [
        f"{module.path}:{call.lineno} {dotted(call.func)}"
        for module in modules()
        if module.path not in CLOCKS
        for call in calls(module.tree)
        if dotted(call.func) in wrong
    ]

    assert not asked, found_in(asked)


def test_nothing_durable_is_drawn() -> None:
    """Ids in durable code are derived: neither uuid nor random nor secrets is imported there."""
    drawn = [
        f"{module.path}:{line} {name}"
        for module in modules()
        if module.within(*DURABLE) and module.path not in DRAWS
        for name, line in imports(module.tree)
        if name in ("uuid", "random", "secrets") or name.startswith(("numpy.random", "uuid.", "random.", "secrets."))
    ]

    assert not drawn, found_in(drawn)


def test_listed_exceptions_still_exist() -> None:
    """An exception whose file is gone, or needs it no longer, is struck off."""
    lines = {module.path: len(module.text.splitlines()) for module in modules()}
    drawing = {
        module.path
        for module in modules()
        if any(name in ("uuid", "random", "secrets") for name, _ in imports(module.tree))
    }

    assert [path for path in LONGER if lines.get(path, 0) <= MOST_LINES] == []
    assert [path for path in DRAWS if path not in drawing] == []
    assert [path for path in CLOCKS if path not in lines] == []


def test_files_are_short() -> None:
    """A file past 400 lines is two files, or has a reason."""
    long = [
        f"{module.path}: {count}"
        for module in modules()
        if (count := len(module.text.splitlines())) > MOST_LINES and module.path not in LONGER
    ]

    assert not long, found_in(long)


def test_importing_does_no_work() -> None:
    """At module level nothing is read, opened, connected or printed; only names are bound."""
    worked = [f"{module.path}:{line} {what}" for module in modules() for line, what in _work(module)]

    assert not worked, found_in(worked)


DOES_WORK = re.compile(
    r"(^|\.)(open|read_text|read_bytes|write_text|connect|create_engine|system|run|Popen|urlopen|now|today|mkdir|print|getenv|environ)$"
)
DECLARES = {  # calls that only declare: a table's indexes, word lists, a plugin's files
    **{
        f"orchestrator/store/{name}.py": ("sa.Index",)
        for name in ("tables", "access_tables", "halt_tables", "slack_tables")
    },
    "policies/lexicon.py": ("_verbs", "_nouns", "For"),
    "connectors/conformance/__init__.py": ("pytest.register_assert_rewrite",),
}


def _work(module: Module) -> Iterator[tuple[int, str]]:
    for node in module.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef) or is_type_checking(
            node
        ):
            continue
        if (
            isinstance(node, ast.If)
            and dotted(node.test.left if isinstance(node.test, ast.Compare) else node.test) == "__name__"
        ):
            continue
        if isinstance(node, ast.For | ast.While | ast.With):
            if type(node).__name__ not in DECLARES.get(module.path, ()):
                yield node.lineno, type(node).__name__
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            if dotted(node.value.func) not in DECLARES.get(module.path, ()):
                yield node.lineno, dotted(node.value.func)
            continue
        for call in _calls_now(node):
            if DOES_WORK.search(dotted(call.func)):
                yield call.lineno, dotted(call.func)


def _calls_now(node: ast.AST) -> Iterator[ast.Call]:
    """Calls made when the statement runs; those in bodies of functions and lambdas come later."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    if isinstance(node, ast.Call):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _calls_now(child)


def test_every_row_belongs_to_a_tenant() -> None:
    """Every table has tenant_id, so that a shared database can be told apart and sharded."""
    from orchestrator.store.tables import metadata

    without = {table.name for table in metadata.sorted_tables if "tenant_id" not in table.columns}

    assert without == set(UNTENANTED)


def test_cedar_decides_on_facts_not_on_strings() -> None:
    """No rule matches text: there is no `like` in Cedar."""
    matched = []
    for path in sorted((ROOT / "policies" / "cedar").rglob("*.cedar")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line.split("//", 1)[0])
            if re.search(r"\blike\b", code):
                matched.append(f"{path.relative_to(ROOT)}:{number}")

    assert not matched, found_in(matched)


def test_imports_run_in_no_circle() -> None:
    """No module imports, directly or around, a module that imports it; imports inside functions count as well."""
    names = {module.name for module in modules()}
    graph = {
        module.name: {
            target
            for target in _imported(module)
            if target in names and target != module.name and (module.name, target) not in TWO_WAYS
        }
        for module in modules()
    }

    circle = _circle(graph)

    assert not circle, " → ".join(circle)


def _imported(module: Module) -> Iterator[str]:
    """Imported names, those for type checking alone left out; a package counts only where it is imported itself."""
    skipped = {
        id(child)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and is_type_checking(node)
        for child in ast.walk(node)
    }
    known = {other.name for other in modules()}
    for node in ast.walk(module.tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def _circle(graph: dict[str, set[str]]) -> list[str]:
    """One circle of the graph, or nothing."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for target in sorted(graph[name]):
            if found := walk(target, [*path, name]):
                return found
        done.add(name)
        return []

    for name in sorted(graph):
        if found := walk(name, []):
            return found
    return []


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ("import os\nDATA = open('x').read()\n", True),  # reads at import time
        ("for name in ():\n    pass\n", True),  # runs at import time
        ("import re\nWORD = re.compile('x')\n", False),  # only binds a name
        ("def later() -> str:\n    return open('x').read()\n", False),  # reads when it is called
    ],
)
def test_the_check_for_work_at_import_time_sees_it(code: str, caught: bool) -> None:
    """The law above would notice, and notices nothing else."""
    module = Module("example.py", "example", code, ast.parse(code))

    assert bool(list(_work(module))) is caught


def test_the_check_for_circles_sees_one() -> None:
    """A circle of three is found, a chain is not."""
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert _circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_the_floors_hold() -> None:
    """import-linter's contracts (floors of the house, homes of the libraries) are all kept."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c(['--no-cache']))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_all_three_packages_are_read() -> None:
    """The laws look at every package, and at more than a handful of files."""
    assert {module.path.split("/")[0] for module in modules()} == set(PACKAGES)
    assert len(modules()) > 100

"""Which model plays which role, what can be set, and what is said when it is set wrongly."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.models.langchain import LangChainWire
from orchestrator.agents.models.openai_wire import OpenAIWire
from orchestrator.agents.models.pool import Pool
from orchestrator.agents.models.protocol import Model, ModelError
from orchestrator.agents.models.recorded import Recorder
from orchestrator.agents.models.registry import Known, Models
from orchestrator.errors import UsageError
from orchestrator.settings import MASK, Settings
from orchestrator.surfaces.cli.commands.init import template
from orchestrator.surfaces.cli.session import Session
from tests.models.peer import request

TABLES: list[dict[str, Any]] = [
    {"name": "local", "model": "qwen3:8b", "base_url": "http://127.0.0.1:9", "roles": ["task"], "order": 1},
    {"name": "cloud", "model": "openai:gpt-4o", "api_key_env": "CLOUD_KEY", "order": 2},
    {"name": "thinker", "model": "anthropic:claude-x", "roles": ["supervisor", "judge"]},
]


def models(home: Path, environment: dict[str, str] | None = None, **settings: Any) -> Models:
    return Models.of(Settings.load(home=home, **settings), environment=environment or {})


def names(model: Model) -> list[str]:
    assert isinstance(model, Pool)
    return [endpoint.name for endpoint in model.endpoints]


def wire_of(model: Model, at: int = 0) -> Any:
    assert isinstance(model, Pool)
    return model.endpoints[at].wire


# ---- which -----------------------------------------------------------------------------------------------------------
def test_roles_have_models_of_their_own(tmp_path: Path) -> None:
    """model_task and its like come first, model otherwise; the same name is the same model."""
    built = models(tmp_path, model="openai:big", model_task="openai:small")

    assert [built.role(role).name for role in ("supervisor", "task", "judge")] == [
        "openai:big",
        "openai:small",
        "openai:big",
    ]
    assert built.role("judge") is built.role("supervisor")


@pytest.mark.parametrize(
    ("role", "override", "expected"),
    [
        ("task", None, ["local", "cloud"]),  # its own and those of no role
        ("supervisor", None, ["cloud", "thinker"]),
        ("task", "thinker", ["thinker"]),  # by name, whatever its roles
        ("task", "openai:gpt-4o", ["cloud"]),  # by model
        ("task", "openai:other", ["openai/other"]),  # by itself
    ],
)
def test_tables_are_found_by_role_name_and_model(
    tmp_path: Path, role: str, override: str | None, expected: list[str]
) -> None:
    """Without `model`, the tables of the role; with a name, that one."""
    assert names(models(tmp_path, models=TABLES).role(role, override)) == expected


def test_the_window_is_the_smallest_of_the_pool(tmp_path: Path) -> None:
    """Whoever takes over can take the whole conversation."""
    assert models(tmp_path, models=TABLES).role("task").context_tokens == 32_768


@pytest.mark.parametrize(
    ("settings", "client", "model"),
    [
        ({"model": "openai:gpt-x"}, OpenAIWire, "gpt-x"),
        ({"model": "anthropic:claude-x"}, LangChainWire, "claude-x"),
        ({"model": "google_genai:gemini-x"}, LangChainWire, "gemini-x"),
        ({"model": "anthropic:claude-x", "model_base_url": "http://127.0.0.1:9/v1"}, OpenAIWire, "claude-x"),
        ({"model": "llama3.1:8b", "model_base_url": "http://127.0.0.1:9"}, OpenAIWire, "llama3.1:8b"),  # Ollama's names
        ({"model": "bare-name", "model_base_url": "http://127.0.0.1:9"}, OpenAIWire, "bare-name"),
        ({"model": "unheard:of"}, LangChainWire, "of"),
    ],
)
def test_the_client_follows_from_provider_and_address(
    tmp_path: Path, settings: dict[str, str], client: type, model: str
) -> None:
    """OpenAI and every address of one's own: the thin client. Other providers: LangChain."""
    wire = wire_of(models(tmp_path, {"OPENAI_API_KEY": "k"}, **settings).role("task"))

    assert (type(wire), wire.model) == (client, model)


def test_an_address_without_a_path_gets_the_usual_one(tmp_path: Path) -> None:
    """http://host:port means http://host:port/v1; a path is left alone."""
    built = [models(tmp_path, model="m", model_base_url=f"http://127.0.0.1:9{path}") for path in ("", "/", "/openai")]

    assert [wire_of(one.role("task")).base_url for one in built] == [
        "http://127.0.0.1:9/v1",
        "http://127.0.0.1:9/v1",
        "http://127.0.0.1:9/openai",
    ]


# ---- keys ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"model": "openai:x"}, "sk-openai"),  # the provider's own variable
        ({"model": "openai:x", "model_api_key": "mine"}, "mine"),  # the setting goes first
        ({"model": "anthropic:x", "model_api_key": "mine"}, "mine"),
        ({"model": "anthropic:x", "model_judge": "openai:y", "model_api_key": "mine"}, "sk-openai"),  # not a stranger's
        ({"model": "cloud", "models": TABLES, "model_api_key": "mine"}, "sk-cloud"),  # a table has its own
        ({"model": "m", "model_base_url": "http://127.0.0.1:9"}, "sk-openai"),
    ],
)
def test_each_endpoint_gets_its_own_key(tmp_path: Path, settings: dict[str, Any], expected: str) -> None:
    """model_api_key is model's alone; nobody gets the key of another provider."""
    environment = {"OPENAI_API_KEY": "sk-openai", "CLOUD_KEY": "sk-cloud"}

    assert wire_of(models(tmp_path, environment, **settings).role("judge")).key == expected


def test_a_line_end_behind_a_key_is_not_sent(tmp_path: Path) -> None:
    """As files and shells leave it."""
    assert wire_of(models(tmp_path, {"OPENAI_API_KEY": "sk-x\n"}, model="openai:x").role("task")).key == "sk-x"


def test_openai_without_a_key_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    """The error names the variable."""
    with pytest.raises(ModelError) as caught:
        asyncio.run(models(tmp_path, model="openai:gpt-4o").role("task").reply(request()))

    assert (caught.value.code, "OPENAI_API_KEY" in caught.value.fix) == ("model_auth", True)


# ---- secrets, profiles, records ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "said", "admits"),
    [
        ("http://127.0.0.1:9", None, True),  # this very host
        ("http://localhost:9", None, True),
        ("http://[::1]:9", None, True),
        ("http://10.0.0.7:9", None, False),  # some other one
        ("https://example.com", None, False),
        ("http://localhost.example.com", None, False),
        ("https://example.com", True, True),  # said so
        ("http://127.0.0.1:9", False, False),  # a gateway to elsewhere
    ],
)
def test_only_this_host_admits_secrets_unless_said(tmp_path: Path, url: str, said: bool | None, admits: bool) -> None:
    """The default trusts no address but loopback."""
    built = models(tmp_path, model="m", model_base_url=url, model_admits_secret=said).role("task")

    assert isinstance(built, Pool) and built.endpoints[0].admits_secret is admits


def test_profiles_can_be_set(tmp_path: Path) -> None:
    """What the person says of a model wins over its name; what they do not say stays."""
    table = {
        "name": "x",
        "model": "openai:gpt-4o",
        "base_url": "http://127.0.0.1:9",
        "profile": {"temperature": False, "context_tokens": 5000},
    }
    built = models(tmp_path, models=[table], model_context_tokens=9000, model_stream=True).role("task")

    profile = wire_of(built).profile
    assert (profile.temperature, profile.seed, profile.stream, profile.context_tokens) == (False, True, True, 5000)


def test_a_recorder_stands_around_the_model(tmp_path: Path) -> None:
    """model_record records every role."""
    built = models(tmp_path, model="m", model_base_url="http://127.0.0.1:9", model_record="r.jsonl").role("task")

    assert isinstance(built, Recorder) and built.name == "m"


def test_doctor_sees_every_endpoint_and_no_key(tmp_path: Path) -> None:
    """Names, addresses without passwords, whether there is a key and a price."""
    table = {"name": "x", "model": "m", "base_url": "http://me:hush@127.0.0.1:9"}
    built = models(
        tmp_path,
        {"CLOUD_KEY": "sk-cloud"},
        models=[*TABLES, table],
        prices={"cloud": {"input": 1, "output": 2}},
        model_judge="openai:y",
    )

    known = {one.name: one for one in built.known()}

    assert set(known) == {"local", "cloud", "thinker", "x", "openai/y"}
    assert (known["cloud"].has_key, known["cloud"].has_price, known["local"].has_key) == (True, True, False)
    assert (known["thinker"].client, known["local"].admits_secret) == ("langchain", True)
    assert "sk-cloud" not in repr(known) and "hush" not in repr(known)
    assert isinstance(known["x"], Known)


def test_doctor_sees_what_there_is_where_a_role_has_no_model(tmp_path: Path) -> None:
    """A missing judge does not hide the others; with no model at all there is nothing."""
    assert [one.name for one in models(tmp_path, models=[TABLES[0]]).known()] == ["local"]
    assert models(tmp_path).known() == ()


# ---- settings ------------------------------------------------------------------------------------------------------------
WHOLE = """
model = "cloud"
model_api_key = "sk-mine"
model_profile = {temperature = false}

[prices."openai:gpt-4o"]
input = 2.5
output = 10

[[models]]
name = "cloud"
model = "openai:gpt-4o"
roles = ["task"]
profile = {seed = false, context_tokens = 9000}
"""


def test_settings_survive_the_way_into_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables, prices, profiles and keys are equal in a process started with `as_environment`."""
    (tmp_path / "deputy.toml").write_text(WHOLE)
    first = Settings.load(home=tmp_path)
    (tmp_path / "deputy.toml").unlink()
    for name, value in first.as_environment().items():
        monkeypatch.setenv(name, value)

    second = Settings.load()

    assert second.models == first.models and second.models[0].profile.context_tokens == 9000
    assert second.prices == first.prices and second.prices["openai:gpt-4o"].output == 10
    assert second.model_profile == first.model_profile
    assert second.model_api_key is not None and second.model_api_key.get_secret_value() == "sk-mine"
    assert names(Models.of(second, environment={}).role("task")) == ["cloud"]


def test_every_line_of_the_shipped_file_can_be_used(tmp_path: Path) -> None:
    """The comments that `deputy init` writes are the defaults, in TOML."""
    lines = template(Session({"home": str(tmp_path)})).splitlines()
    settings = [line.removeprefix("# ") for line in lines if re.match(r"# [a-z_]+ = ", line)]
    (tmp_path / "deputy.toml").write_text("\n".join(settings))

    loaded, default = Settings.load(home=tmp_path), Settings(home=tmp_path)

    assert len(settings) == len(Settings.model_fields) - 1
    assert loaded.model_dump(exclude={"token"}) == default.model_dump(exclude={"token"})


def test_the_documented_tables_are_right(tmp_path: Path) -> None:
    """What docs/models.md shows can be used as it stands."""
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    (tmp_path / "deputy.toml").write_text(page.split("```toml\n")[1].split("```")[0])

    built = models(tmp_path)

    assert names(built.role("task")) == ["house", "cloud"]
    assert names(built.role("judge")) == ["house"]


def test_keys_are_masked_wherever_settings_are_shown(tmp_path: Path) -> None:
    """Neither model_api_key nor a password in a table's address is shown."""
    tables = [{"name": "x", "model": "m", "base_url": "http://me:hush@127.0.0.1:9"}]
    shown = Settings.load(home=tmp_path, model_api_key="sk-mine", models=tables).describe()

    text = json.dumps(shown)
    assert "sk-mine" not in text and "hush" not in text and MASK in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[[models]]\nname = "x"\nmodel = "openai:y"\nbas_url = "z"\n', "did you mean 'base_url'"),
        ('[[models]]\nname = "x"\nmodel = "y"\n', "is not provider:model"),
        ('[[models]]\nname = "x"\nmodel = "openai:y"\nbase_url = "127.0.0.1"\n', "http://"),
        ('[[models]]\nname = "x"\nmodel = "openai:y"\nroles = ["tasks"]\n', "'task'"),
        ('[[models]]\nname = "a:b"\nmodel = "openai:y"\n', "models[0].name"),
        ('[[models]]\nname = "x"\nmodel = "a:b"\n[[models]]\nname = "x"\nmodel = "a:b"\n', "two tables called 'x'"),
        ('model = "clod"\n[[models]]\nname = "cloud"\nmodel = "a:b"\n', "did you mean 'cloud'"),
        ('[prices."a:b"]\ninput = 1\noutptu = 2\n', "did you mean 'output'"),
        ('[prices."a:b"]\ninput = -1\noutput = 2\n', "greater than or equal to 0"),
        ('model_profile = {temprature = true}\n', "did you mean 'temperature'"),
        ('modles = []\n', "no setting 'modles'"),
    ],
)  # fmt: skip
def test_a_slip_in_a_table_is_named(tmp_path: Path, content: str, message: str) -> None:
    """The error says which key of which table, and what was probably meant."""
    (tmp_path / "deputy.toml").write_text(content)

    with pytest.raises(UsageError) as caught:
        Settings.load(home=tmp_path)

    assert message in caught.value.message
    assert caught.value.fix


def test_a_table_in_the_environment_that_is_no_json_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DEPUTY_MODELS and --set models=… are JSON."""
    with pytest.raises(UsageError) as from_flag:
        Settings.load(home=tmp_path, models="[{")
    monkeypatch.setenv("DEPUTY_MODELS", "[{")
    with pytest.raises(UsageError) as from_environment:
        Settings.load(home=tmp_path)

    assert "JSON" in from_flag.value.message and "JSON" in from_environment.value.message


@pytest.mark.parametrize(
    ("settings", "role", "override"),
    [
        ({}, "task", None),  # no model at all
        ({"models": [{**TABLES[0]}]}, "judge", None),  # none for this role
        ({"model": "openai:x"}, "cook", None),  # no such role
        ({"model": "openai:x"}, "task", "clod"),  # no such table
    ],
)
def test_a_role_without_a_model_is_told(
    tmp_path: Path, settings: dict[str, Any], role: str, override: str | None
) -> None:
    """What is missing is named, with a fix."""
    with pytest.raises(UsageError) as caught:
        models(tmp_path, **settings).role(role, override)

    assert caught.value.fix


# ---- cold ----------------------------------------------------------------------------------------------------------------
def test_building_the_registry_loads_no_client(tmp_path: Path) -> None:
    """aiohttp, LangChain, the vendors' libraries and tenacity wait for the first call that needs them."""
    code = """
import json, sys
from orchestrator.settings import Settings
from orchestrator.agents.models.registry import Models
Models.of(Settings.load(), environment={}).role("task", "anthropic:claude-x")
print(json.dumps([name for name in ("aiohttp", "langchain", "langchain_core", "anthropic", "openai", "tenacity", "httpx") if name in sys.modules]))
"""
    environment = {**os.environ, "DEPUTY_HOME": str(tmp_path), "DEPUTY_MODEL": "openai:x"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=True
    )

    assert json.loads(done.stdout) == []

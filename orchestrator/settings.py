"""What can be set, where each value came from, and what is wrong with it. Read once at start; imports nothing of ours but errors.

Order: flags, environment `DEPUTY_*`, `.env` in the working folder, `deputy.toml` in the home, one file per value in the
secrets folder, defaults. A key nobody knows is an error in a file and a warning in the environment.
"""

from __future__ import annotations

import difflib
import json
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SecretsSettingsSource, SettingsConfigDict, SettingsError
from pydantic_settings.sources import DotEnvSettingsSource, PydanticBaseSettingsSource

from orchestrator.access_settings import AccessSettings
from orchestrator.account_settings import AccountSettings
from orchestrator.errors import UsageError
from orchestrator.mcp_settings import McpSettings
from orchestrator.model_settings import ModelSettings, web_address
from orchestrator.operation_settings import OperationSettings
from orchestrator.slack_settings import SlackSettings

PREFIX = "DEPUTY_"
FILE_NAME = "deputy.toml"
SECRETS_FOLDER = "secrets"
MASK = "********"
# Read by the test suite, not by Deputy.
_NOT_SETTINGS = frozenset(
    {"DEPUTY_TEST_REQUIRE", "DEPUTY_LIVE_HOME", "DEPUTY_LIVE_CHANNEL", "DEPUTY_FAULT_RUNS", "DEPUTY_CRASH_MATRIX"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value stands: kind is flag | environment | .env | file | secret | default; `place` is a name or a path."""

    kind: str
    place: str

    def __str__(self) -> str:
        return self.kind if not self.place else f"{self.kind} {self.place}"


class Settings(AccessSettings, AccountSettings, McpSettings, OperationSettings, SlackSettings):
    """All settings, checked. Made by `load`, which knows the sources; never changed afterwards."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True, protected_namespaces=()
    )

    home: Path = Field(description="Folder of everything Deputy keeps: store, office, settings, workflows of your own")
    database_url: str = Field(
        default="",
        description="Where the store is; empty: an SQLite file in the home; postgresql://… for several hosts",
    )
    tenant: str = Field(
        default="default", min_length=1, max_length=64, description="Whose rows these are, in a shared database"
    )
    url: str | None = Field(default=None, description="A Deputy server to speak to, instead of the store")
    token: SecretStr | None = Field(default=None, description="API key for that server")
    owner: str | None = Field(
        default=None, description="Address of the person the command line speaks for; default: the office's owner"
    )
    profile: Literal["careful", "delegated"] = Field(
        default="careful",
        description="careful: sends and invitations ask first; delegated: what you named yourself goes out",
    )
    workers: int = Field(default=16, ge=1, le=1024, description="Items worked on at once by one host")
    host_stall_s: float = Field(
        default=30.0, ge=1.0, le=3600.0, description="Seconds without a heartbeat after which a host counts as stalled"
    )
    approval_expiry_days: float = Field(
        default=7.0, gt=0, le=365, description="Days after which a card nobody answered expires"
    )
    otlp_endpoint: str | None = Field(
        default=None,
        description="OTLP/HTTP collector for spans, e.g. http://localhost:4318; nothing is sent without it",
    )
    telemetry_content: Literal["off", "redacted", "full"] = Field(
        default="redacted", description="Whether spans hold arguments and texts"
    )
    policy_dir: Path | None = Field(default=None, description="A policy bundle instead of the shipped one")
    workflow_dir: Path | None = Field(default=None, description="Workflows of your own; default: workflows in the home")
    agents_dir: Path | None = Field(
        default=None, description="Predefined agents of your own; default: agents in the home"
    )
    prompts_dir: Path | None = Field(
        default=None, description="Prompts of your own that replace shipped ones; default: prompts in the home"
    )
    budget_model_calls: int = Field(
        default=200, ge=1, description="Model calls one request may take, all its agents included"
    )
    budget_tokens: int = Field(default=2_000_000, ge=1, description="Tokens, in and out, that one request may take")
    budget_usd: float = Field(default=5.0, gt=0, description="Money one request may cost, as far as prices are known")
    budget_minutes: float = Field(
        default=60.0, gt=0, description="Minutes agents of one request may work, waits not counted"
    )
    budget_effects: int = Field(default=100, ge=0, description="Effects one request may have through agents")
    office: bool = Field(
        default=True, description="Whether the local office (a made-up company in one file) is connected"
    )
    office_path: Path | None = Field(default=None, description="The office's file; default: office.db in the home")

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` merged: it reads the sources one by one, so that each value's origin is known."""
        return (init_settings,)

    @classmethod
    def load(cls, *, warn: Callable[[str], None] | None = None, **flags: Any) -> Self:
        """The settings as of now; flags that are None count as not given. Raises UsageError naming setting, origin and a fix."""
        _check_keys(flags, where="flag")
        given = {name: value for name, value in flags.items() if value is not None}
        _warn_environment(warn or _to_stderr)
        environment = _values(EnvSettingsSource(cls), "the environment")
        dotenv = _read_dotenv(cls)
        home = _home(given, environment, dotenv)
        file = home / FILE_NAME
        layers: list[tuple[Mapping[str, Any], Callable[[str], Origin]]] = [
            (given, lambda name: Origin(kind="flag", place=f"--set {name}" if name != "home" else "--home")),
            (environment, lambda name: Origin(kind="environment", place=PREFIX + name.upper())),
            (dotenv, lambda name: Origin(kind=".env", place=str(Path(".env").absolute()))),
            (_read_file(file), lambda name: Origin(kind="file", place=str(file))),
            (_read_secrets(cls, home), lambda name: Origin(kind="secret", place=str(home / SECRETS_FOLDER / name))),
        ]
        values: dict[str, Any] = {}
        origins: dict[str, Origin] = {}
        for layer, origin in layers:
            for name, value in layer.items():
                if name not in values:
                    values[name], origins[name] = value, origin(name)
        values["home"] = home
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise _bad_value(error, origins) from error
        settings._origins.update(origins)
        return settings

    @field_validator("policy_dir", "workflow_dir", "office_path", "agents_dir", "prompts_dir", mode="before")
    @classmethod
    def _unset_path(cls, value: Any) -> Any:
        """An empty text takes back what another source says; it does not mean the working folder."""
        return None if value == "" else value

    @field_validator("home", "policy_dir", "workflow_dir", "office_path", "agents_dir", "prompts_dir", mode="after")
    @classmethod
    def _whole_path(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        scheme = value.partition(":")[0].partition("+")[0]
        if value and scheme not in ("sqlite", "postgresql", "postgres"):
            raise ValueError("starts with neither sqlite:/// nor postgresql://")
        return value

    @field_validator("url", "otlp_endpoint")
    @classmethod
    def _server_address(cls, value: str | None) -> str | None:
        """An empty text switches it off, so that a flag can take back what another source says."""
        return web_address(value)

    @field_validator("owner")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        """An empty text takes back what another source says."""
        if value and "@" not in value[1:-1]:
            raise ValueError("is no address like name@domain")
        return value.strip().lower() if value else None

    # ---- what follows from them --------------------------------------------------------------------------------------
    @property
    def store_url(self) -> str:
        """`database_url`, or the SQLite file in the home."""
        return self.database_url or f"sqlite:///{self.home / 'deputy.db'}"

    @property
    def office_file(self) -> Path:
        return self.office_path or self.home / "office.db"

    @property
    def agents_folder(self) -> Path:
        return self.agents_dir or self.home / "agents"

    @property
    def prompts_folder(self) -> Path:
        return self.prompts_dir or self.home / "prompts"

    @property
    def budget_limits(self) -> dict[str, int]:
        """What a request may take that names no budget of its own, under the names that budgets use."""
        return {
            "model_calls": self.budget_model_calls,
            "tokens": self.budget_tokens,
            "cost_microusd": int(self.budget_usd * 1_000_000),
            "wall_ms": int(self.budget_minutes * 60_000),
            "effects": self.budget_effects,
        }

    @property
    def workflow_folder(self) -> Path:
        return self.workflow_dir or self.home / "workflows"

    @property
    def config_file(self) -> Path:
        return self.home / FILE_NAME

    @property
    def has_model(self) -> bool:
        return self.model != "none" or bool(self.models)

    def origin(self, name: str) -> Origin:
        return self._origins.get(name, Origin(kind="default", place=""))

    def describe(self) -> list[dict[str, Any]]:
        """name, value (secrets masked), origin, description of every setting, in the order of the class, models last."""
        plain = self.model_dump()
        return [
            {
                "name": name,
                "value": masked(name, plain[name]),
                "origin": self.origin(name).kind,
                "place": self.origin(name).place,
                "description": field.description or "",
            }
            for name, field in sorted(
                type(self).model_fields.items(), key=lambda one: one[0] in ModelSettings.model_fields
            )
        ]

    def as_environment(self) -> dict[str, str]:
        """What a child process needs to load equal settings: every value that is not a default; an empty text takes one back."""
        plain = self.model_dump()
        return {
            PREFIX + name.upper(): "" if plain[name] is None else _as_text(plain[name])
            for name in {*self._origins, "home"}
        }


def default_home() -> Path:
    """The XDG data folder's `deputy` (XDG Base Directory Specification 0.8)."""
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share") / "deputy"


def masked(name: str, value: Any) -> Any:
    """The value as it may be shown: secrets and passwords in URLs become a mask."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: masked(str(key), inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [masked(name, inner) for inner in value]
    if isinstance(value, str) and "://" in value:
        parts = urlsplit(value)
        if parts.password is not None:
            where = parts.netloc.rpartition("@")[2]
            return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:{MASK}@{where}"))
    return value


def _as_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")


def _known() -> list[str]:
    return list(Settings.model_fields)


def _meant(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), _known(), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else "see: deputy config show"


def _check_keys(names: Iterable[str], *, where: str) -> None:
    for name in names:
        if name not in Settings.model_fields:
            raise UsageError(f"there is no setting {name!r} ({where})", fix=_meant(name))


def _warn_environment(warn: Callable[[str], None]) -> None:
    for key in sorted(os.environ):
        if (
            key.startswith(PREFIX)
            and key not in _NOT_SETTINGS
            and key.removeprefix(PREFIX).lower() not in Settings.model_fields
        ):
            close = difflib.get_close_matches(key.removeprefix(PREFIX).lower(), _known(), n=1, cutoff=0.6)
            hint = f"did you mean {PREFIX}{close[0].upper()}?" if close else "see: deputy config show"
            warn(f"environment variable {key} is no setting of Deputy; {hint}")


def _home(flags: Mapping[str, Any], environment: Mapping[str, Any], dotenv: Mapping[str, Any]) -> Path:
    chosen = flags.get("home") or environment.get("home") or dotenv.get("home")
    return Path(chosen).expanduser().absolute() if chosen else default_home()


def _read_dotenv(cls: type[Settings]) -> dict[str, Any]:
    """`DEPUTY_*` keys of `.env`; other programs' keys are theirs."""
    path = Path(".env")
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        keys = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path.absolute()} cannot be read: {error}", fix="make it readable, UTF-8, or move it away"
        ) from error
    own = [key for key in keys if key.upper().startswith(PREFIX) and key.upper() not in _NOT_SETTINGS]
    _check_keys([key.upper().removeprefix(PREFIX).lower() for key in own], where=str(path.absolute()))
    source = DotEnvSettingsSource(cls, env_file=path, env_file_encoding="utf-8")
    values = _values(source, str(path.absolute()))
    return {name: value for name, value in values.items() if name in Settings.model_fields}


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", fix="make it readable, UTF-8, or move it away") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{path} is not TOML: {error}", fix='write one NAME = "value" a line, texts in quotes'
        ) from error
    _check_keys(values, where=str(path))
    if "home" in values:
        raise UsageError(f"'home' cannot be set in {path}, which lies in it", fix="use --home or DEPUTY_HOME")
    return values


def _read_secrets(cls: type[Settings], home: Path) -> dict[str, Any]:
    """One file per value in the home's `secrets` folder, e.g. `secrets/token`."""
    folder = home / SECRETS_FOLDER
    if not folder.is_dir():
        return {}
    _check_keys([entry.name for entry in folder.iterdir() if not entry.name.startswith(".")], where=str(folder))
    return _values(SecretsSettingsSource(cls, secrets_dir=folder, env_prefix=""), str(folder))


def _values(source: PydanticBaseSettingsSource, place: str) -> dict[str, Any]:
    """What a source holds. Tables are JSON there."""
    try:
        return source()
    except SettingsError as error:
        raise UsageError(
            f"a table in {place} is not JSON: {error}", fix="write it as JSON, or as a table in deputy.toml"
        ) from error


def _bad_value(error: ValidationError, origins: Mapping[str, Origin]) -> UsageError:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    said = str(first["msg"]).removeprefix("Value error, ")
    field = Settings.model_fields.get(name)
    value = first.get("input")
    inner = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"][1:])
    secret = name in ("token", "database_url", "model_api_key", "credentials_key", "oidc_client_secret") or isinstance(
        value, Mapping | list | tuple
    )
    shown = "" if secret or value is None else f" {value!r}"
    origin = origins.get(name, Origin(kind="default", place=""))
    help_text = f"{name}: {field.description}" if field is not None and field.description else "see: deputy config show"
    return UsageError(f"setting {name + inner!r}{shown} from {origin}: {said[:1].lower()}{said[1:]}", fix=help_text)

"""Which model plays which role, built once per worker process out of the settings.

Nothing is opened here: sessions and vendor libraries wait for the first call. A model named by hand is found among the `[[models]]`
tables by name, then by model; otherwise it stands for itself, at `model_base_url` if that is set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from orchestrator.agents.models.langchain import LangChainWire
from orchestrator.agents.models.openai_wire import OpenAIWire, is_loopback
from orchestrator.agents.models.pool import Endpoint, Pool
from orchestrator.agents.models.prices import price_of
from orchestrator.agents.models.profiles import profile_of
from orchestrator.agents.models.protocol import Model, ModelError, Wire
from orchestrator.agents.models.recorded import RecordedModel, Recorder
from orchestrator.errors import UsageError
from orchestrator.model_settings import RECORDED, EndpointSettings, split_model
from orchestrator.settings import Settings, masked

OPENAI_URL = "https://api.openai.com/v1"
RECORDED_WINDOW = 1_000_000  # what was recorded has fitted its model; folding here would change the requests
_KEYS = {"google_genai": "GOOGLE_API_KEY", "mistralai": "MISTRAL_API_KEY"}  # others: PROVIDER_API_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One endpoint as `doctor` tells of it. No key is in here."""

    name: str
    model: str
    address: str
    client: str  # openai | langchain | recorded
    roles: tuple[str, ...]
    order: int
    weight: int
    admits_secret: bool
    has_key: bool
    has_price: bool
    context_tokens: int
    breaker: str


@dataclass(slots=True)
class Models:
    """The models of one process. `environment`: where the providers' own key variables stand."""

    settings: Settings
    environment: Mapping[str, str]
    _endpoints: dict[str, tuple[EndpointSettings, Endpoint]] = field(default_factory=dict)
    _models: dict[tuple[str, str], Model] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, environment: Mapping[str, str] | None = None) -> Self:
        """The models of these settings; keys from the process's environment unless another is given."""
        return cls(settings, os.environ if environment is None else environment)

    def role(self, role: str, override: str | None = None) -> Model:
        """The model of supervisor, task or judge; `override` is the one a spec asks for: provider:model, or an endpoint's name."""
        wanted = override or self._set_for(role)
        key = ("" if wanted else role, wanted)
        if (known := self._models.get(key)) is None:
            known = self._models[key] = self._build(wanted, role)
        return known

    def known(self) -> tuple[Known, ...]:
        """Every endpoint that some role may use, in the order of the settings."""
        for role in ("supervisor", "task", "judge"):
            with suppress(UsageError):  # no model for it: whoever asks for the role is told
                self.role(role)
        for table in self.settings.models:
            self._endpoint(table)
        return tuple(self._tell(table, endpoint) for table, endpoint in self._endpoints.values())

    async def aclose(self) -> None:
        """Closes every connection. The registry can be used again; they are opened anew."""
        for _, endpoint in self._endpoints.values():
            await endpoint.wire.aclose()

    # ---- which -----------------------------------------------------------------------------------------------------
    def _set_for(self, role: str) -> str:
        settings = self.settings
        own = {
            "supervisor": settings.model_supervisor,
            "task": settings.model_task,
            "judge": settings.model_judge,
        }
        if role not in own:
            raise UsageError(f"there is no role {role!r}", fix=f"roles are: {', '.join(own)}")
        chosen = own[role] or settings.model
        return "" if chosen == "none" else chosen

    def _build(self, wanted: str, role: str) -> Model:
        if split_model(wanted)[0] == RECORDED:
            path = Path(split_model(wanted)[1]).expanduser().absolute()
            window = self.settings.model_context_tokens or RECORDED_WINDOW
            return RecordedModel(name=wanted, path=path, context_tokens=window)
        pool = self._pool(wanted, self._tables(wanted, role))
        return pool if self.settings.model_record is None else Recorder(model=pool, path=self.settings.model_record)

    def _tables(self, wanted: str, role: str) -> Sequence[EndpointSettings]:
        tables = self.settings.models
        if not wanted:
            found = [table for table in tables if not table.roles or role in table.roles]
            if not found:
                raise UsageError(
                    f"no model is set for the role {role!r}",
                    fix="set model to provider:model, or give a [[models]] table this role",
                )
            return found
        named = [table for table in tables if table.name == wanted]
        alike = [table for table in tables if table.model == wanted]
        return named or alike or [self._alone(wanted)]

    def _alone(self, wanted: str) -> EndpointSettings:
        """The endpoint of a model that no table describes."""
        settings = self.settings
        if ":" not in wanted and settings.model_base_url is None:
            raise UsageError(
                f"there is no model {wanted!r}", fix="write provider:model, or the name of a [[models]] table"
            )
        return EndpointSettings(
            name=wanted.replace(":", "/").replace(" ", "_")[:64],
            model=wanted,
            base_url=settings.model_base_url,
            admits_secret=settings.model_admits_secret,
            profile=settings.model_profile,
        )

    def _pool(self, wanted: str, tables: Sequence[EndpointSettings]) -> Pool:
        endpoints = [self._endpoint(table) for table in tables]
        window = min(endpoint.profile.context_tokens for endpoint in endpoints)
        return Pool(name=wanted or endpoints[0].model, endpoints=endpoints, context_tokens=window)

    # ---- how -------------------------------------------------------------------------------------------------------
    def _endpoint(self, table: EndpointSettings) -> Endpoint:
        if (built := self._endpoints.get(table.name)) is not None:
            return built[1]
        provider, model = split_model(table.model)
        settings = self.settings
        url = table.base_url
        if url is None and provider in ("openai", ""):
            url = self.environment.get("OPENAI_BASE_URL") or OPENAI_URL
            if provider == "" and ":" in model:  # a provider we have never heard of: LangChain may know it
                (provider, _, model), url = model.partition(":"), None
        is_local = url is not None and is_loopback(urlsplit(url).hostname or "")
        overrides: dict[str, Any] = {"context_tokens": settings.model_context_tokens, "stream": settings.model_stream}
        overrides |= table.profile.model_dump(exclude_none=True)
        profile = profile_of(model, is_local=is_local, overrides=overrides)
        key = self._key(table, provider)
        wire: Wire
        if url is None:
            wire = LangChainWire(
                endpoint=table.name,
                provider=provider,
                model=model,
                profile=profile,
                key=key,
                idle_s=settings.model_idle_s,
            )
        elif url == OPENAI_URL and not key:
            wire = _Keyless(table.name)
        else:
            wire = OpenAIWire(
                endpoint=table.name,
                base_url=_with_version(url),
                model=model,
                profile=profile,
                key=key,
                idle_s=settings.model_idle_s,
            )
        endpoint = Endpoint(
            name=table.name,
            model=table.model,
            wire=wire,
            profile=profile,
            price=price_of(settings.prices, table.name, table.model, model),
            order=table.order,
            weight=table.weight,
            admits_secret=is_local if table.admits_secret is None else table.admits_secret,
            max_in_flight=table.max_in_flight,
            most_retries=settings.model_retries,
        )
        self._endpoints[table.name] = (table, endpoint)
        return endpoint

    def _key(self, table: EndpointSettings, provider: str) -> str | None:
        """The key to send: the table's variable, the setting, or the provider's own variable. A local endpoint needs none."""
        settings = self.settings
        is_main = provider == split_model(settings.model)[0] or settings.model_base_url is not None
        if table.api_key_env is not None:
            key = self.environment.get(table.api_key_env)
        elif settings.model_api_key is not None and is_main and all(table is not one for one in settings.models):
            key = settings.model_api_key.get_secret_value()
        else:
            key = self.environment.get(_KEYS.get(provider, f"{(provider or 'openai').upper()}_API_KEY"))
        return (key or "").strip() or None

    def _tell(self, table: EndpointSettings, endpoint: Endpoint) -> Known:
        wire = endpoint.wire
        is_thin = isinstance(wire, OpenAIWire | _Keyless)
        address = wire.base_url if isinstance(wire, OpenAIWire) else table.base_url or (OPENAI_URL if is_thin else "")
        return Known(
            name=endpoint.name,
            model=endpoint.model,
            address=str(masked("", address)),
            client="openai" if is_thin else "langchain",
            roles=table.roles,
            order=endpoint.order,
            weight=endpoint.weight,
            admits_secret=endpoint.admits_secret,
            has_key=self._key(table, split_model(table.model)[0]) is not None,
            has_price=endpoint.price is not None,
            context_tokens=endpoint.profile.context_tokens,
            breaker=endpoint.breaker.state(time.monotonic()),
        )


@dataclass(frozen=True, slots=True)
class _Keyless:
    """OpenAI's own endpoint without a key: refused here, before anything is sent."""

    endpoint: str

    async def attempt(self, request: object, on_text: object) -> Any:
        raise ModelError(
            "model_auth",
            f"model endpoint {self.endpoint!r} has no key",
            fix="set OPENAI_API_KEY or model_api_key; or model_base_url for another OpenAI-style endpoint",
        )

    async def aclose(self) -> None:
        return None


def _with_version(url: str) -> str:
    """An address without a path means the usual one: http://localhost:8000 → http://localhost:8000/v1."""
    return url.rstrip("/") + "/v1" if urlsplit(url).path in ("", "/") else url

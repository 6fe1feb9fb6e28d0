"""The settings of models: which, where, with what profile, at what price. A part of the settings, read by the model clients.

Imports nothing of ours. A key nobody knows is an error, with the one that was probably meant.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings

Role = Literal["supervisor", "task", "judge"]
# LangChain's names of model providers (`init_chat_model`): what may stand before the colon of a model's name.
PROVIDERS = frozenset(
    """anthropic anthropic_bedrock azure_ai azure_openai baseten bedrock bedrock_converse bedrock_mantle_anthropic
    bedrock_mantle_openai cohere deepseek fireworks google_anthropic_vertex google_genai google_vertexai groq huggingface ibm
    litellm meta mistralai nvidia ollama openai openrouter perplexity together upstage xai""".split()
)
RECORDED = "recorded"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                close = difflib.get_close_matches(str(key).lower(), list(cls.model_fields), n=1, cutoff=0.6)
                raise ValueError(
                    f"there is no key {key!r}; "
                    + (f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(cls.model_fields)}")
                )
        return value


class ProfileSettings(_Table):
    """What a model takes, where Deputy does not know it or is wrong. Left out: as the model's name says."""

    temperature: bool | None = Field(default=None, description="temperature; 0 is sent")
    seed: bool | None = Field(default=None, description="seed")
    forced_choice: bool | None = Field(default=None, description="tool_choice: required, or a tool's name")
    no_calls: bool | None = Field(default=None, description="tool_choice: none")
    parallel_calls: bool | None = Field(default=None, description="sent as parallel_tool_calls where set")
    schemas: bool | None = Field(default=None, description="response_format with a strict JSON Schema")
    tokens_name: Literal["max_tokens", "max_completion_tokens"] | None = Field(
        default=None, description="how the longest reply is called"
    )
    stream: bool | None = Field(default=None, description="whether replies are streamed")
    stream_usage: bool | None = Field(default=None, description="stream_options.include_usage")
    context_tokens: int | None = Field(default=None, ge=256, description="the window, prompt and reply together")
    output_tokens: int | None = Field(default=None, ge=1, description="the longest reply")


class EndpointSettings(_Table):
    """One `[[models]]` table: a model at an address, and what it is for."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[^:\s]+$", description="what it is called here")
    model: str = Field(min_length=1, description="provider:model")
    base_url: str | None = Field(default=None, description="an OpenAI-style address; default: the provider's own")
    api_key_env: str | None = Field(default=None, description="environment variable that holds its key")
    roles: tuple[Role, ...] = Field(default=(), description="supervisor, task, judge; none named: all")
    order: int = Field(default=1, description="smaller is asked first; the next order when those fail")
    weight: int = Field(default=1, ge=1, le=1000, description="share among those of the same order")
    max_in_flight: int | None = Field(default=None, ge=1, description="requests under way at once")
    admits_secret: bool | None = Field(
        default=None,
        description="whether what is classed secret may be sent there; default: only if base_url is this very host",
    )
    profile: ProfileSettings = Field(default=ProfileSettings(), description="what the model takes")

    @field_validator("base_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        return web_address(value)

    @model_validator(mode="after")
    def _named_provider(self) -> Self:
        check_model(self.model, has_address=self.base_url is not None)
        return self


class PriceSettings(_Table):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0, description="cached input; default: as input")


class ModelSettings(BaseSettings):
    """What can be set about models. Inherited by `orchestrator.settings.Settings`, never used alone."""

    models: tuple[EndpointSettings, ...] = Field(
        default=(),
        description="[[models]] tables: name, model, base_url, api_key_env, roles, order, weight, admits_secret, profile",
    )
    model_base_url: str | None = Field(
        default=None, description="An OpenAI-style endpoint (vLLM, Ollama, llama.cpp, any gateway)"
    )
    model: str = Field(default="none", description="provider:model, the name of a [[models]] table, or none")
    model_supervisor: str | None = Field(default=None, description="Model of the supervisor; default: model")
    model_task: str | None = Field(default=None, description="Model of task agents; default: model")
    model_judge: str | None = Field(default=None, description="Model of judges; default: model")
    model_api_key: SecretStr | None = Field(
        default=None, description="Key for model; default: the provider's own variable, such as OPENAI_API_KEY"
    )
    model_stream: bool | None = Field(
        default=None, description="Whether replies are streamed; default: only where somebody watches"
    )
    model_timeout_s: float = Field(
        default=120.0, ge=0.1, le=3600, description="Seconds for one whole reply, retries included"
    )
    model_idle_s: float = Field(default=60.0, ge=0.1, le=3600, description="Longest silence inside a streamed reply")
    model_retries: int = Field(default=4, ge=0, le=20, description="How often one endpoint is tried again for a reply")
    model_max_tokens: int = Field(default=4096, ge=16, description="Longest reply asked for")
    model_context_tokens: int | None = Field(
        default=None, ge=256, description="The model's window; default: what is known of it by its name, else 32768"
    )
    model_profile: ProfileSettings = Field(
        default=ProfileSettings(), description="What the model takes, e.g. {temperature = false}; default: by its name"
    )
    model_admits_secret: bool | None = Field(
        default=None,
        description="Whether what is classed secret may be sent to it; default: only if model_base_url is this very host",
    )
    model_record: Path | None = Field(
        default=None, description="File that every reply is recorded to, for recorded:FILE as a model"
    )
    prices: dict[str, PriceSettings] = Field(
        default={}, description='[prices."provider:model"] input, output, cached: US dollars per million tokens'
    )

    @field_validator(
        "model_supervisor",
        "model_task",
        "model_judge",
        "model_api_key",
        "model_stream",
        "model_context_tokens",
        "model_admits_secret",
        "model_record",
        mode="before",
    )
    @classmethod
    def _unset(cls, value: Any) -> Any:
        """An empty text takes back what another source says."""
        return None if value == "" else value

    @field_validator("model_base_url")
    @classmethod
    def _model_address(cls, value: str | None) -> str | None:
        """An empty text switches it off, so that a flag can take back what another source says."""
        return web_address(value)

    @field_validator("model_record")
    @classmethod
    def _whole_record(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("models", "prices", "model_profile", mode="before")
    @classmethod
    def _table(cls, value: Any) -> Any:
        """A text, from a flag, is JSON."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("is not JSON") from None

    @field_validator("models")
    @classmethod
    def _own_names(cls, value: tuple[EndpointSettings, ...]) -> tuple[EndpointSettings, ...]:
        names = [endpoint.name for endpoint in value]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"has two tables called {twice!r}")
        return value

    @field_validator("model", "model_supervisor", "model_task", "model_judge")
    @classmethod
    def _named_model(cls, value: str | None, info: ValidationInfo) -> str | None:
        names = [endpoint.name for endpoint in info.data.get("models", ())]
        if value in (None, "none", *names):
            return value
        if value and ":" not in value and (close := difflib.get_close_matches(value, names, n=1, cutoff=0.6)):
            raise ValueError(f"is neither provider:model nor a [[models]] table; did you mean {close[0]!r}?")
        check_model(value or "", has_address=bool(value) and info.data.get("model_base_url") is not None)
        return value


def web_address(value: str | None) -> str | None:
    """The address; None for an empty text. ValueError for anything else."""
    if value and urlsplit(value).scheme not in ("http", "https"):
        raise ValueError("is no http:// or https:// address")
    return value or None


def check_model(value: str, *, has_address: bool) -> None:
    """ValueError unless the text is provider:model. At an address of one's own any name will do."""
    if not has_address and not all(part.strip() for part in value.partition(":")):
        raise ValueError("is not provider:model (or none)")


def split_model(value: str) -> tuple[str, str]:
    """(provider, name): "openai:gpt-x" → ("openai", "gpt-x"). What stands before a colon and is no provider belongs to the name."""
    provider, colon, name = value.partition(":")
    known = provider.replace("-", "_").lower()
    return (known, name) if colon and (known in PROVIDERS or known == RECORDED) else ("", value)

"""The settings of models that are tables: endpoints, profiles, prices. Checked here, read by the settings and the model clients.

Imports nothing of ours. A key nobody knows is an error, with the one that was probably meant.
"""

from __future__ import annotations

import difflib
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

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
        if value and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("is no http:// or https:// address")
        return value or None

    @model_validator(mode="after")
    def _named_provider(self) -> Self:
        check_model(self.model, has_address=self.base_url is not None)
        return self


class PriceSettings(_Table):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0, description="cached input; default: as input")


def check_model(value: str, *, has_address: bool) -> None:
    """ValueError unless the text is provider:model. At an address of one's own any name will do."""
    if not has_address and not all(part.strip() for part in value.partition(":")):
        raise ValueError("is not provider:model (or none)")


def split_model(value: str) -> tuple[str, str]:
    """(provider, name): "openai:gpt-x" → ("openai", "gpt-x"). What stands before a colon and is no provider belongs to the name."""
    provider, colon, name = value.partition(":")
    known = provider.replace("-", "_").lower()
    return (known, name) if colon and (known in PROVIDERS or known == RECORDED) else ("", value)

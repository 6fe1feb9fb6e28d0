"""What can be set about connected accounts: the key that seals their credentials, and connectors. A part of `settings`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import Field, SecretStr, field_validator

from orchestrator.model_settings import ModelSettings

SERVER_KEYS = frozenset(
    "kind shared_with command url env headers cwd manifest pins wire timeout_s start_timeout_s recheck_s "
    "max_result_bytes max_message_bytes again_s".split()
)


class AccountSettings(ModelSettings):
    """The account fields of `Settings`; see there for sources and order."""

    credentials_key: SecretStr | None = Field(
        default=None,
        description="Key that seals stored credentials: empty: credentials.key in the home; file:PATH, keyring, kms:NAME,"
        " command:PROGRAM, or keys in base64, comma-separated, the newest first",
    )
    connectors: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description='Settings of connectors, a table each: [connectors.NAME]; kind = "mcp" with command or url adds a tool server',
    )

    inside_domains: str = Field(
        default="",
        description="Domains whose addresses are colleagues though the directory does not list them, comma-separated."
        " Never that of a public mail provider",
    )

    @field_validator("connectors")
    @classmethod
    def _known_tables(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """A table that nobody would read, or a key that a tool server does not take, is a mistake."""
        for name, told in value.items():
            if "kind" in told and told["kind"] != "mcp":
                raise ValueError(f"[connectors.{name}] has the kind {told['kind']!r}; {_meant(told['kind'], ['mcp'])}")
            for key in told if "kind" in told else ():
                if key not in SERVER_KEYS:
                    raise ValueError(f"[connectors.{name}] has no key {key!r}; {_meant(key, SERVER_KEYS)}")
            if "kind" not in told:
                from connectors import registry

                known = registry.installed().keys() - {"mcp"}
                if name not in known:
                    hint = _meant(name, known)
                    raise ValueError(
                        f'no connector {name!r} is installed; {hint}, or say kind = "mcp" for a tool server'
                    )
        return value

    @field_validator("credentials_key", mode="before")
    @classmethod
    def _unset_key(cls, value: Any) -> Any:
        """An empty text takes back what another source says."""
        return None if value == "" else value

    @property
    def domains(self) -> frozenset[str]:
        """`inside_domains`, one by one."""
        return frozenset(
            part.strip().lstrip("@").lower() for part in self.inside_domains.split(",") if part.strip("@ ")
        )

    @property
    def key_source(self) -> str:
        """`credentials_key` as text; empty: the file in the home."""
        return "" if self.credentials_key is None else self.credentials_key.get_secret_value().strip()


def _meant(word: Any, known: Iterable[str]) -> str:
    words = sorted(known)
    near = difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(words)}"

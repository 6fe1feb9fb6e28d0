"""What can be set about connected accounts: the key that seals their credentials, and connectors. A part of `settings`."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr, field_validator

from orchestrator.model_settings import ModelSettings


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

"""What can be set about the Slack bot: its tokens, and how Slack reaches it. A part of `settings`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from orchestrator.model_settings import web_address


class SlackSettings(BaseSettings):
    """The fields of `Settings` about the Slack bot; see there for sources and order."""

    slack_mode: Literal["off", "socket", "http"] = Field(
        default="off",
        description="How Slack reaches the bot of `deputy serve`: socket needs no public address, http is /slack/events",
    )
    slack_bot_token: SecretStr | None = Field(default=None, description="The bot's own token, xoxb-…")
    slack_app_token: SecretStr | None = Field(
        default=None, description="The app's token for Socket Mode, xapp-…, with connections:write"
    )
    slack_signing_secret: SecretStr | None = Field(
        default=None, description="The app's signing secret, by which deliveries over HTTP are known"
    )
    slack_api_url: str | None = Field(
        default=None, description="Another root of Slack's Web API, e.g. of a test double"
    )

    @field_validator("slack_bot_token", "slack_app_token", "slack_signing_secret", mode="before")
    @classmethod
    def _unset_secret(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("slack_api_url")
    @classmethod
    def _address_of_slack(cls, value: str | None) -> str | None:
        """An empty text switches it off, so that a flag can take back what another source says."""
        found = web_address(value)
        return f"{found.rstrip('/')}/" if found else None

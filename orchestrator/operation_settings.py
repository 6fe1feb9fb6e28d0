"""What can be set about running the house: its logs, its numbers, and how long what it has recorded is kept. A part of `settings`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class OperationSettings(BaseSettings):
    """The fields of `Settings` about operation; see there for sources and order. 0 days: for ever."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="From which level on desk and workers log"
    )
    log_format: Literal["auto", "text", "json"] = Field(
        default="auto", description="auto: text on a terminal, one JSON object a line otherwise"
    )
    metrics_open: bool = Field(
        default=False, description="Whether /metrics answers without a key; it names tools and models, no people"
    )
    keep_spans_days: float = Field(default=30.0, ge=0, description="Days that spans of traces are kept")
    keep_steps_days: float = Field(
        default=90.0,
        ge=0,
        description="Days after their end that step logs, transcripts and waits of requests are kept",
    )
    keep_news_days: float = Field(default=30.0, ge=0, description="Days that delivered news are kept")
    keep_messages_days: float = Field(
        default=365.0, ge=0, description="Days after their end that remarks on requests are kept"
    )
    keep_texts_days: float = Field(
        default=0.0, ge=0, description="Days after their end that the words of requests, answers and effects are kept"
    )
    keep_audit_days: float = Field(
        default=0.0, ge=0, description="Days that the audit chain reaches back; what is cut off leaves its hash"
    )

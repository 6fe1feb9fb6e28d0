"""The guard as the settings want it, and what to do where its rules cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import UsageError
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from policies.guard import Guard


def guard(settings: Settings) -> Guard:
    """UsageError for rules that must not be used."""
    from policies.bundle import BundleError
    from policies.guard import Guard

    try:
        return Guard.load(bundle_dir=settings.policy_dir, profile=settings.profile)
    except (BundleError, OSError) as error:
        where = "the shipped rules" if settings.policy_dir is None else f"the rules in {settings.policy_dir}"
        mend = f"see: deputy policy check {settings.policy_dir or ''}; or set policy_dir (DEPUTY_POLICY_DIR) otherwise"
        raise UsageError(f"{where} cannot be used: {error}", fix=mend) from error

"""MCP's hints about a tool are derived from its spec, and whoever reads them understands what the spec says."""

from __future__ import annotations

import pytest
from mcp_types import ToolAnnotations

from connectors.families import FAMILIES, tool_specs
from connectors.mcp.manifests import word
from connectors.spec import EffectClass, ToolSpec

SPECS = [spec for family in sorted(FAMILIES) for spec in tool_specs(family)]


@pytest.mark.parametrize("spec", SPECS, ids=[spec.name for spec in SPECS])
def test_hints_say_what_the_spec_says(spec: ToolSpec) -> None:
    hints = spec.annotations

    assert ToolAnnotations.model_validate(hints).model_dump(by_alias=True, exclude_none=True) == hints
    assert hints["readOnlyHint"] == (spec.effect_class is EffectClass.READ)
    assert hints["destructiveHint"] == (spec.manifest.get("destructive", False) and not spec.is_read)
    assert hints["idempotentHint"] == (spec.effect_class in (EffectClass.READ, EffectClass.IDEMPOTENT))
    assert hints["title"] == spec.title


@pytest.mark.parametrize("spec", SPECS, ids=[spec.name for spec in SPECS])
def test_our_own_client_takes_no_tool_for_more_harmless_than_it_is(spec: ToolSpec) -> None:
    """Read back from the hints alone, what changes something is never a read, and what destroys is never spared its approval."""
    read = word(spec.name.replace(".", "_"), spec.parameters, spec.annotations, None)

    assert spec.is_read or read.effect_class is not EffectClass.READ
    assert not spec.annotations["destructiveHint"] or read.manifest.get("destructive")

"""Names, schemas and classes of the tools themselves."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from connectors import families
from connectors.conformance.provider import Provider
from connectors.spec import Connector, EffectClass

# A provider may promise more than the family asks, never less.
_STRENGTH = [EffectClass.IRREVERSIBLE, EffectClass.UNKEYED, EffectClass.KEYED, EffectClass.IDEMPOTENT, EffectClass.READ]


class TestTools:
    def test_is_a_connector_with_a_name_and_known_families(self, provider: Provider) -> None:
        """The object implements the protocol and names only families that exist, or one of its own by its own name."""
        assert isinstance(provider.connector, Connector)
        assert provider.connector.name
        assert provider.connector.families <= families.FAMILIES | {provider.connector.name}

    @pytest.mark.parametrize("family", sorted(families.FAMILIES))
    def test_a_family_is_offered_whole(self, provider: Provider, family: str) -> None:
        """Whoever names a family offers every tool of it, save those that it lacks by name."""
        provider.need(family)

        offered = {spec.name for spec in provider.connector.tools() if spec.family == family}

        assert offered == {spec.name for spec in families.tool_specs(family)} - provider.lacks

    @pytest.mark.parametrize("family", sorted(families.FAMILIES))
    def test_schemas_are_those_of_the_family_and_no_class_is_weaker(self, provider: Provider, family: str) -> None:
        """Arguments, answers and manifests are the shared ones; the effect class is the family's, or a stronger one."""
        provider.need(family)
        offered = provider.specs()

        for spec in families.tool_specs(family):
            if spec.name in provider.lacks:
                continue
            mine = offered[spec.name]

            assert (mine.parameters, mine.output, mine.manifest) == (spec.parameters, spec.output, spec.manifest)
            assert _STRENGTH.index(mine.effect_class) >= _STRENGTH.index(spec.effect_class)
            assert mine.is_read == spec.is_read
            assert mine.wire_timeout_s > 0

    def test_tools_are_stable_and_schemas_are_schemas(self, provider: Provider) -> None:
        """Two listings agree, and both schemas of each tool are valid JSON Schema."""
        first, second = provider.connector.tools(), provider.connector.tools()

        assert [spec.name for spec in first] == [spec.name for spec in second]
        for spec in first:
            Draft202012Validator.check_schema(spec.parameters)
            Draft202012Validator.check_schema(spec.output)
            assert spec.parameters["additionalProperties"] is False

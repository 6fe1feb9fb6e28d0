"""The workflow library: definition, matching, slot filling, execution. Nothing is imported here: each caller pays for its own part."""

from pathlib import Path

SHIPPED = Path(__file__).parent / "library"  # the verified workflows that come with Deputy

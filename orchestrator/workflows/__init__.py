"""The workflow library: definition, matching, slot filling, execution. Nothing is imported here: each caller pays for its own part."""

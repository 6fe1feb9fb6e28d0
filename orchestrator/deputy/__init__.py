"""The front desk: the verbs that every surface uses. `Deputy` is the door; each further room is an attribute of it."""

from orchestrator.deputy.front import Deputy

__all__ = ["Deputy"]

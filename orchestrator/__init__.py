"""The front desk and the workshop: worklist, engine, gate, workflows, surfaces."""

__version__ = "0.1.0"

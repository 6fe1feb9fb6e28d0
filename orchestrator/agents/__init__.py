"""Agents: what a model is told, what it may do in one turn, and when its work is accepted."""

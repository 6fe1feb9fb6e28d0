"""Nouns and transitions. Pure: no I/O, no clock; time is a parameter."""

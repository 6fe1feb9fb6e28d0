"""Schedules: what fires, when, and what is told of it."""

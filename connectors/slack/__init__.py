"""Slack as a provider of the chat and directory families, and the app manifest that goes with the tools enabled."""

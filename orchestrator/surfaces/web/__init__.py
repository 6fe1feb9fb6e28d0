"""The desk's pages: Jinja2 shells, modules and styles of our own; data comes from the JSON interface."""

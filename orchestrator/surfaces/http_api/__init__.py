"""The desk over HTTP: the JSON interface, its events, and what serves the web pages. Imported by `deputy serve` only."""

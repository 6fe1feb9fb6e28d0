"""One module per command; each offers `command`, and is imported when it is called."""

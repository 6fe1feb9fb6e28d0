"""Who is calling: links, sessions, keys. Everything behind it sees a `Caller`."""

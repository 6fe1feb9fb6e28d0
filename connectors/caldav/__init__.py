"""Calendars on a CalDAV server (RFC 4791), as Radicale, Nextcloud, Baïkal, Fastmail or iCloud offer them."""

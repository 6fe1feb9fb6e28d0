"""People in address books on a CardDAV server."""

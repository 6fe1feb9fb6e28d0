"""Rows, leases, step log. The only importer of SQLAlchemy; every verb is one transaction, every race a compare-and-set."""

"""Directories that are files: people from CSV and vCard."""

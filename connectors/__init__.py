"""Suppliers of tools: one package per provider, all speaking the families of `connectors.spec`."""

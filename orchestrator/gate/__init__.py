"""The only place where the outside world is changed: permission, approval, ledger, one wire call, trace."""

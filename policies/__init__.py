"""Pure decisions: (request, bundle, grants, facts) -> decision. No I/O after loading, no clock but the one passed."""

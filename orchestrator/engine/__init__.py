"""The workshop: claim, advance, park or settle."""

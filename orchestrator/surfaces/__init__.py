"""Where people, assistants and the clock meet Deputy: each surface turns what it hears into the front desk's verbs."""

"""The command line, as a person and as a program uses it: real processes, a real store, the local office."""

"""The command line: a thin client of the front desk. Imports its commands when they are called, so that help is instant."""

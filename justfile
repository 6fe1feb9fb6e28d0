# Everyday verbs; each recipe is a plain command that works without just, too.
python := ".venv/bin/python"

# what there is
default:
    @just --list

# makes .venv with everything for development
setup:
    sh setup.sh dev

# format, lint, types, imports, laws of the house
check:
    .venv/bin/ruff format --check .
    .venv/bin/ruff check .
    .venv/bin/mypy
    .venv/bin/lint-imports
    {{python}} -m pytest -q tests/architecture

# all tests; services that are missing are skipped visibly, with a count
test *args:
    sh tests/run {{args}}

# kill the worker at every boundary and look for doubles
crash *args:
    {{python}} -m pytest -q tests/crash {{args}}

# every decision case of the shipped policies
policy:
    .venv/bin/deputy policy check
    .venv/bin/deputy policy test

# the main job on the local office, no account or key
demo:
    .venv/bin/deputy demo

# start-up of the command line and the rest of the figures
bench:
    {{python}} benchmarks/cold.py

# the pages to read first
docs:
    ls docs docs/adr

# new exact locks from pyproject.toml, with hashes
lock:
    echo "hatchling" | .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml - -o requirements.lock
    echo "hatchling" | .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra dev --extra postgres pyproject.toml - -o requirements-dev.lock

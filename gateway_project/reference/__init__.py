"""Generates docs/reference.md and docs/trouble.md from the code."""

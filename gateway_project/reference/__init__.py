"""docs/reference.md, made from the code."""

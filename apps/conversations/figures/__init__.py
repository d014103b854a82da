"""Figures of use, kept by course, day and model, so that pages need not read calls to count them.

A worker counts finished calls by ranges of their ids and remembers how far it came (`keeping.py`). Pages add the calls
that have come since (`reading.py`). Calls pay nothing for it.
"""

"""Finds text of pages that is not marked for translation: `python -m gateway_project.unmarked`."""

"""Finds what has happened since the last look, in tables and on the disk: notifications that are not stored yet."""

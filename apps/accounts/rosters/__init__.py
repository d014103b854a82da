"""Rosters: the students of a course as a file from the campus has them.

`reading` makes a table of the file, `planning` says what it would change, and `applying` changes it as a job.
"""

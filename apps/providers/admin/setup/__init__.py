"""Setting a provider up, page by page: kind, address, key, test, models, courses, and a question at the end.

A provider exists once its address is saved. What is missing is read from its rows, so each page can be left and
opened again later; for a provider that works, they serve to add a model or a course.
"""

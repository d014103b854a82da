"""The people and courses of the admin's tests: the staff API shows the same rows to the same people."""

from tests.admin.conftest import assistant, foreign, instructor, operator, student, teacher, world

__all__ = ["assistant", "foreign", "instructor", "operator", "student", "teacher", "world"]

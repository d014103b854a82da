"""Keeps a web process from loading libraries that it never uses, a seventh of its memory.

Django Ninja's settings import Django's test framework for one signal. Django REST framework loads Pygments for pages
that we do not show. It and the admin's theme load PostgreSQL's field types, and so its driver, whatever the database
is. `requests`, with which campus sign-in asks for JSON, loads a detector of character sets. But for the test framework,
all of them expect that the library may not be installed.

What is used now and then is loaded when it is first called: drf-spectacular describes the staff API with requests of
the test framework, and passkeys are checked against a list of ten thousand public suffixes.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

from gateway_project.env import load_env

OPTIONAL = ("chardet", "charset_normalizer", "pygments")
LATER = {"rest_framework.test": "APIRequestFactory", "fido2.rpid": "verify_rp_id"}  # with what is used of each


@contextmanager
def left_out() -> Iterator[None]:
    """Set Django up and load the URLs inside. Afterwards everything but PostgreSQL's driver imports as usual."""
    if not load_env().database_url.get_secret_value():
        sys.modules["psycopg"] = None  # type: ignore[assignment]  # makes its import fail
    sys.modules.update(dict.fromkeys(OPTIONAL))  # type: ignore[arg-type]
    sys.modules["django.test"] = _package_alone("django.test")
    sys.modules.update({module: _later(module, name) for module, name in LATER.items()})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Unable to find acceptable character detection")
        yield
        if load_env().gateway_role != "data":
            import_module("rest_framework.compat")
    for name in (*OPTIONAL, *LATER, "django.test"):
        del sys.modules[name]


def _package_alone(name: str) -> ModuleType:
    """The package without what its `__init__` imports. Its modules can be imported."""
    spec = find_spec(name)
    assert spec is not None  # noqa: S101  # Django has it
    return module_from_spec(spec)


def _later(module: str, name: str) -> ModuleType:
    """A module with nothing but this name, whose first call loads the real one."""

    def called(*arguments: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **named)

    stand_in = ModuleType(module)
    setattr(stand_in, name, called)
    return stand_in

"""The project's settings in a data directory that lives as long as the run, whatever the caller's environment says."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from gateway_project.env import Env

for _name in Env.model_fields:
    os.environ.pop(_name.upper(), None)
_directory = Path(tempfile.mkdtemp(prefix="stoa-tests-"))
atexit.register(shutil.rmtree, _directory, ignore_errors=True)
os.environ["GATEWAY_ENV"] = "development"
os.environ["GATEWAY_DATA_DIR"] = str(_directory)

from gateway_project.settings import *  # noqa: E402, F403
from gateway_project.settings import DATABASES, LOGGING  # noqa: E402

# The very file that a server in this data directory opens, so that tests and a real server see the same rows.
DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
for _client in ("httpx", "httpx2"):
    LOGGING["loggers"][_client] = {"level": "WARNING"}

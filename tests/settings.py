"""The project's settings in a data directory that lives as long as the run, whatever the caller's environment says.

DATABASE_URL alone counts: it names a PostgreSQL server on which the run makes databases of its own.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from gateway_project.env import Env

_kept = {"DATABASE_URL"}
for _name in Env.model_fields:
    if _name.upper() not in _kept:
        os.environ.pop(_name.upper(), None)
_directory = Path(tempfile.mkdtemp(prefix="stoa-tests-"))
atexit.register(shutil.rmtree, _directory, ignore_errors=True)
os.environ["GATEWAY_ENV"] = "development"
os.environ["GATEWAY_DATA_DIR"] = str(_directory)
os.environ["STUDENT_REQUESTS_PER_MINUTE"] = "0"  # tests say themselves how fast their students may be
# No authorities: nothing in the tests speaks TLS, and each new client of httpx would load all of them, for 20 ms.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(_directory)

from gateway_project.settings import *  # noqa: E402, F403
from gateway_project.settings import DATABASES, LOGGING  # noqa: E402

_database = DATABASES["default"]
if "postgresql" in _database["ENGINE"]:
    # A pool would keep connections to a database that is to be dropped. The servers that tests start have theirs.
    _database["OPTIONS"].pop("pool")
    _database["TEST"] = {"NAME": f"stoa_test_{os.getpid()}"}
else:
    # The very file that a server in this data directory opens, so that tests and a real server see the same rows.
    _database["TEST"] = {"NAME": _database["NAME"]}
# Each client of Django's would list all static files before its first request, for 40 ms.
WHITENOISE_AUTOREFRESH = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
for _client in ("httpx", "httpx2"):
    LOGGING["loggers"][_client] = {"level": "WARNING"}

"""The composition root: settings, servers, admin site and the commands that tie the apps together."""

from gateway_project.sqlite import use_bundled_sqlite

use_bundled_sqlite()

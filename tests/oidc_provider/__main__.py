"""`python -m tests.oidc_provider DIRECTORY`: serve on a free port of loopback, and say which in the first line."""

import os
import sys
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.oidc_provider.settings"
os.environ["OIDC_PROVIDER_DIRECTORY"] = sys.argv[1]

import django
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: Any) -> None: ...


def main() -> None:
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    server = make_server("127.0.0.1", 0, get_wsgi_application(), server_class=Server, handler_class=Quiet)
    print(server.server_port, flush=True)
    server.serve_forever()


main()

"""The components of an installation, and the one checkup of this process."""

from functools import cache

from django.conf import settings

from gateway_project.health.checks import stores, upstreams, work
from gateway_project.health.checkup import Checkup, ComponentCheck

PROVIDERS = "providers"
NEEDED_TO_SERVE = frozenset({"database", "migrations", "spool"})


@cache
def checkup() -> Checkup:
    checks = [
        ComponentCheck(name="database", look=stores.database, limit=2.5, is_essential=True),
        ComponentCheck(name="migrations", look=stores.migrations, limit=2.5, is_essential=True),
        ComponentCheck(name="redis", look=stores.redis),
        ComponentCheck(name="broker", look=stores.broker),
        ComponentCheck(name="worker", look=work.worker),
        ComponentCheck(name="spool", look=work.spool, is_essential=True),
        ComponentCheck(name="dead letters", look=work.dead_letters, limit=2.5),
        ComponentCheck(name="clock", look=stores.clock),
        ComponentCheck(name=PROVIDERS, look=upstreams.providers, limit=2.5, is_essential=True),
        ComponentCheck(name="services", look=upstreams.services, limit=2.5),
    ]
    return Checkup([check for check in checks if settings.GATEWAY_ROLE != "control" or check.name != "spool"])


def all_but_providers() -> frozenset[str]:
    return frozenset(checkup().names - {PROVIDERS})

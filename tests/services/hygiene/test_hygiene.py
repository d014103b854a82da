"""What reaches a service of odd requests, through a running server, and beside it through nginx and HAProxy.

Each row is a request as bytes, the outcome at each of the three, and why they differ. The other two are asked where
they are installed, in the version that Debian 12 has; on Debian: apt-get install nginx-light haproxy.
"""

from pathlib import Path

import pytest

from tests.services.hygiene import addresses, framing, fronts, heads, passed_headers
from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld

ROWS = [*framing.ROWS, *heads.ROWS, *addresses.ROWS, *passed_headers.ROWS]
VERSIONS = {"nginx": "1.22", "haproxy": "2.6"}  # that the table was made with


def test_every_difference_is_explained() -> None:
    different = {row.name for row in ROWS if len({row.stoa, row.nginx, row.haproxy}) > 1}

    assert different == {row.name for row in ROWS if row.why}
    assert len({row.name for row in ROWS}) == len(ROWS) >= 120


def test_stoa_passes_on_what_can_be_read_in_one_way(service_world: ServiceWorld, users: UsersInstance) -> None:
    port, prefix, key = service_world.gateway.port, service_world.prefix, service_world.key

    seen = fronts.outcomes(ROWS, port=port, prefix=prefix, key=key, users=users)

    assert fronts.differing(seen, {row.name: row.stoa for row in ROWS}) == {}
    assert users.open == 0


@pytest.mark.parametrize("name", VERSIONS)
def test_others_differ_as_the_table_says(users: UsersInstance, tmp_path: Path, name: str) -> None:
    if not fronts.is_installed(name) or not fronts.is_version(name, VERSIONS[name]):
        pytest.skip(f"{name} {VERSIONS[name]} is not installed, so Stoa is not compared with it.")
    prefix = "/svc/users"

    with {"nginx": fronts.nginx, "haproxy": fronts.haproxy}[name](tmp_path, prefix=prefix, users=users) as port:
        seen = fronts.outcomes(ROWS, port=port, prefix=prefix, key="key", users=users)

    assert fronts.differing(seen, {row.name: getattr(row, name) for row in ROWS}) == {}

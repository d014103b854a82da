"""The example users service, reached through the gateway."""

from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld


def test_users_are_created_read_updated_and_deleted(service_world: ServiceWorld) -> None:
    made = service_world.request("POST", json={"name": "Ada", "email": "ada@example.edu"})
    path = f"/{made.json()['id']}"

    assert made.status_code == 201
    assert service_world.get(path).json()["name"] == "Ada"
    assert service_world.request("PUT", path, json={"name": "Ada Lovelace"}).json()["email"] == ""
    assert "Ada Lovelace" in [user["name"] for user in service_world.get().json()["users"]]
    assert service_world.request("DELETE", path).status_code == 204
    assert service_world.get(path).status_code == 404


def test_what_is_no_user_is_refused(service_world: ServiceWorld) -> None:
    assert service_world.request("POST", content=b"[]").status_code == 400
    assert service_world.get("/" + "9" * 30).status_code == 404


def test_an_instance_does_what_it_is_told(service_world: ServiceWorld, users: UsersInstance) -> None:
    users.plan({"how": "error", "status": 418}, {"how": "big", "bytes": 100_000})

    answers = [service_world.get() for _ in range(3)]

    assert [answer.status_code for answer in answers] == [418, 200, 200]
    assert len(answers[1].content) == 100_000
    assert [request["how"] for request in users.journal] == ["error", "big", "behave"]


def test_it_flaps(users: UsersInstance) -> None:
    users.plan({"how": "error", "times": 2}, {"how": "behave"}, repeats=True)

    assert [users._http.get("/").status_code for _ in range(6)] == [503, 503, 200] * 2

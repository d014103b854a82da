"""Every change of a service, of its instances or of its courses is one version of the whole."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import ProtectedError

from apps.accounts.models import AuditEntry
from apps.common.actors import Actor, acting
from apps.common.models import Revision
from apps.services.loading import Loader
from apps.services.models import Instance, Service, ServiceVersion, together
from tests import factories

pytestmark = pytest.mark.django_db
FIRST, SECOND = "http://127.0.0.1:9300", "http://127.0.0.1:9301"


@pytest.fixture
def service() -> Service:
    with together():
        return factories.make_service(FIRST, name="users")


def numbers(service: Service) -> list[int]:
    return [version.number for version in service.versions.order_by("number")]


def newest(service: Service) -> ServiceVersion:
    return service.versions.order_by("-number")[0]


def set_rate(service: Service) -> None:
    service.requests_per_minute = 60
    service.save()


CHANGES: list[tuple[Any, str]] = [
    (set_rate, "requests per minute: nothing → 60"),
    (lambda service: Service.objects.update(is_enabled=False), "enabled: yes → no"),
    (lambda service: factories.make_instance(service, SECOND), f"instance: nothing → {SECOND}, weight 1"),
    (lambda service: service.instances.get().delete(), f"instance: {FIRST}, weight 1 → nothing"),
    (lambda service: service.instances.all().delete(), f"instance: {FIRST}, weight 1 → nothing"),
    (
        lambda service: service.instances.update(weight=3, is_draining=True, force="down"),
        f"instance {FIRST}: weight 1 → weight 3, draining, forced down",
    ),
    (
        lambda service: Instance.objects.bulk_create([Instance(service=service, url=SECOND)]),
        f"instance: nothing → {SECOND}, weight 1",
    ),
    (lambda service: service.courses.add(factories.make_course(slug="physics")), "courses: nothing → physics"),
]


@pytest.mark.parametrize(("change", "summary"), CHANGES, ids=range(len(CHANGES)))
def test_a_change_is_a_version(service: Service, change: Any, summary: str) -> None:
    change(service)

    assert numbers(service) == [1, 2]
    assert newest(service).summary == summary
    assert newest(service).fields == Service.objects.get().document()


def test_what_changes_together_is_one_version_with_author_and_note(service: Service) -> None:
    boss = factories.make_operator()

    with acting(Actor("person", boss.pk)), together(note="the second server is here"):
        set_rate(service)
        factories.make_instance(service, SECOND)

    version = newest(service)
    assert (numbers(service), version.author, version.note) == ([1, 2], boss, "the second server is here")


def test_a_save_that_changes_nothing_is_no_version(service: Service) -> None:
    service.save()

    assert numbers(service) == [1]


def test_what_fails_leaves_no_version(service: Service) -> None:
    with pytest.raises(RuntimeError), together():
        set_rate(service)
        raise RuntimeError

    service.refresh_from_db()
    assert (numbers(service), service.requests_per_minute) == ([1], None)


def test_values_that_may_be_secret_are_told_by_name_alone(service: Service) -> None:
    service.set_request_headers = {"Authorization": "Bearer first-secret"}
    service.save()
    service.set_request_headers = {"Authorization": "Bearer second-secret"}
    service.set_query = {"key": "third-secret"}
    service.save()

    told = [version.summary for version in service.versions.all()]
    entries = [str((entry.before, entry.after)) for entry in AuditEntry.objects.all()]
    assert told[0] == "set request headers: Authorization → Authorization (another value); set query: nothing → key"
    assert not any("secret" in text.replace("set_", "") for text in [*told, *entries])


# Going back


def test_going_back_brings_all_of_it_back_and_keeps_the_rows(service: Service) -> None:
    kept = service.instances.get()
    set_rate(service)
    service.instances.update(weight=5)
    factories.make_instance(service, SECOND)
    service.courses.add(factories.make_course())
    before = Revision.objects.get(topic="services").number

    service.restore(service.versions.get(number=1))

    stored = Service.objects.get()
    assert stored.document() == service.versions.get(number=1).fields
    assert [instance.pk for instance in stored.instances.all()] == [kept.pk]
    assert newest(service).note == "back to version 1"
    assert numbers(service) == [1, 2, 3, 4, 5, 6]
    assert Revision.objects.get(topic="services").number > before


def test_a_version_that_is_no_longer_valid_changes_nothing(service: Service) -> None:
    service.name = service.prefix = "people"
    service.save()
    factories.make_service(name="users")
    before = service.document()

    with pytest.raises(ValidationError) as refused:
        service.restore(service.versions.get(number=1))

    assert set(refused.value.message_dict) == {"name", "prefix"}
    assert Service.objects.get(pk=service.pk).document() == before


def test_going_back_does_not_let_an_instance_into_the_network_again(service: Service) -> None:
    service.instances.update(url="https://users.example.edu")
    service.allow_private_network = False
    service.save()
    version = service.versions.get(number=1)
    version.fields["allow_private_network"] = False

    with pytest.raises(ValidationError, match="not on the public internet"):
        service.restore(version)

    assert service.instances.get().url == "https://users.example.edu"


def test_a_course_that_went_away_is_not_left_out_silently(service: Service) -> None:
    course = factories.make_course(slug="physics")
    service.courses.add(course)
    service.service_courses.all().delete()
    course.delete()

    with pytest.raises(ValidationError, match="no course physics"):
        service.restore(service.versions.get(number=2))


# What a service is to others


def test_the_last_course_of_a_service_cannot_be_deleted_which_would_open_it_to_all(service: Service) -> None:
    course = factories.make_course()
    service.courses.add(course)

    with pytest.raises(ProtectedError):
        course.delete()


def test_a_deleted_service_takes_its_versions_along_and_leaves_an_entry(service: Service) -> None:
    service.delete()

    assert not ServiceVersion.objects.exists()
    assert AuditEntry.objects.latest("pk").action == "service.deleted"


def test_a_prefix_beside_that_of_another_service_names_the_field(service: Service) -> None:
    other = Service(name="admin", prefix="users/admin")

    with pytest.raises(ValidationError) as refused:
        other.full_clean()

    assert list(refused.value.message_dict) == ["prefix"]


def test_a_name_that_is_no_prefix_needs_one() -> None:
    with pytest.raises(ValidationError) as refused:
        Service(name="Users").full_clean()

    assert list(refused.value.message_dict) == ["prefix"]
    Service(name="Users", prefix="other").full_clean()


@pytest.mark.parametrize(("prefix", "field"), [("", "prefix"), ("other", "name")])
def test_a_service_named_batch_is_refused_at_any_address(prefix: str, field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Service(name="batch", prefix=prefix).full_clean()

    assert list(refused.value.message_dict) == [field]


# The snapshot


def test_a_broken_row_hides_no_other_service_and_stays_as_it_was(service: Service) -> None:
    factories.make_service(name="library")
    loader = Loader()
    loader.load()
    Service._base_manager.filter(name="users").update(rewrites=[{"nonsense": 1}], requests_per_minute=5)
    Service._base_manager.filter(name="library").update(requests_per_minute=5)

    by_prefix = loader.load().by_prefix

    assert by_prefix["users"].key_rates.per_minute is None
    assert by_prefix["library"].key_rates.per_minute == 5
    assert set(Loader().load().by_prefix) == {"library"}


def test_a_disabled_service_is_not_found(service: Service) -> None:
    service.is_enabled = False
    service.save()

    assert Loader().load().find("/users/1") is None

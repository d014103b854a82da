"""The address at which tests tell the provider what to do."""

import json
from typing import Any

from allauth.idp.oidc.models import Client
from django.contrib.auth.models import User
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from tests.oidc_provider.state import STATE, new_pem


@csrf_exempt
def control(request: HttpRequest) -> JsonResponse:
    told = json.loads(request.body)
    for command, value in told.items():
        COMMANDS[command](value)
    return JsonResponse({"served": STATE.served})


def _client(value: dict[str, Any]) -> None:
    client, _ = Client.objects.get_or_create(id=value["id"])
    client.set_secret(value["secret"])
    client.set_redirect_uris(value["redirect_uris"])
    client.set_scopes(["openid", "profile", "email", "groups"])
    client.skip_consent = True
    client.save()


def _person(value: dict[str, Any]) -> None:
    claims = dict(value)
    name, password = claims.pop("username"), claims.pop("password", None)
    user, _ = User.objects.get_or_create(username=name)
    if password:
        user.set_password(password)
        user.save()
    STATE.people[name] = claims


def _reset(_: Any) -> None:
    STATE.people.clear()
    STATE.quirks.clear()
    STATE.served.clear()


def _rotate(_: Any) -> None:
    STATE.pems[:] = [new_pem()]


COMMANDS = {"client": _client, "person": _person, "quirks": STATE.quirks.update, "reset": _reset, "rotate": _rotate}

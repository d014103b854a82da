"""The request that the view of the service gateway gets."""

from django.http import HttpRequest

from apps.services.arrivals import ServiceArrival
from apps.services.runtime import ServiceRuntime


class ServiceRequest(HttpRequest):
    services: ServiceRuntime
    arrival: ServiceArrival

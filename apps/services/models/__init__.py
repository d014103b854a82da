"""Services behind the door, their instances, how these are, their versions, and the requests that they got."""

from apps.services.models.fields import TOPIC
from apps.services.models.health import SERVICE_HEALTH_TOPIC, InstanceHealth
from apps.services.models.instances import Instance, ServiceCourse, columns
from apps.services.models.records import ServiceCount, ServiceRecord
from apps.services.models.services import Service, documented
from apps.services.models.versions import ServiceVersion, together

__all__ = [
    "SERVICE_HEALTH_TOPIC",
    "TOPIC",
    "Instance",
    "InstanceHealth",
    "Service",
    "ServiceCount",
    "ServiceCourse",
    "ServiceRecord",
    "ServiceVersion",
    "columns",
    "documented",
    "together",
]

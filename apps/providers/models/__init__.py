"""The tables of the providers app."""

from apps.providers.models.deployments import CourseModel, CourseModelQuerySet, Deployment, Model, Offer
from apps.providers.models.fields import TOPIC
from apps.providers.models.health import HEALTH_TOPIC, CredentialHealth, DeploymentHealth, ProviderEvent
from apps.providers.models.probes import LastProbe
from apps.providers.models.providers import Credential, Provider

__all__ = [
    "HEALTH_TOPIC",
    "TOPIC",
    "CourseModel",
    "CourseModelQuerySet",
    "Credential",
    "CredentialHealth",
    "Deployment",
    "DeploymentHealth",
    "LastProbe",
    "Model",
    "Offer",
    "Provider",
    "ProviderEvent",
]

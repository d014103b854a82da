"""The tables of the providers app."""

from apps.providers.models.deployments import CourseModel, CourseModelQuerySet, Deployment, Model
from apps.providers.models.fields import TOPIC
from apps.providers.models.probes import LastProbe
from apps.providers.models.providers import Credential, Provider

__all__ = ["TOPIC", "CourseModel", "CourseModelQuerySet", "Credential", "Deployment", "LastProbe", "Model", "Provider"]

"""Admin pages of providers and models. Importing this package registers them."""

from apps.providers.admin import events as events
from apps.providers.admin import models as models
from apps.providers.admin import providers as providers

"""Admin pages of services. Importing this package registers them."""

from apps.services.admin import pages as pages
from apps.services.admin import records as records

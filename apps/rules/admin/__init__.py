"""Admin pages of rules. Importing this package registers them."""

from apps.rules.admin import pages as pages

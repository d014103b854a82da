"""Pages of rules. Importing this registers all of them."""

from apps.rules.admin import pages as pages

"""Admin pages of allowances and of the ledger. Importing this package registers them."""

from apps.quotas.admin import decisions as decisions
from apps.quotas.admin import ledger as ledger
from apps.quotas.admin import policies as policies
from apps.quotas.admin import requests as requests

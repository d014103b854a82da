"""Demo data: a university of any size, for looking at pages and for measuring them. Development only.

`manage.py make_demo_data --calls 1000000` fills an empty data directory. The same seed, size and instant give the same
rows. The ledger proves them: `manage.py audit_ledger` finds no drift.

    plan.py       how much there is of everything, and when it happens
    words.py      titles, names and texts of all kinds
    world.py      courses, people, keys, rules, providers and models
    incidents.py  what happened to the providers
    traffic.py    the calls of a day
    books.py      weeks, holds and ledger entries of the calls
    texts.py      conversations of a share of the calls
    petitions.py  requests for more, and appeals
    filling.py    writes all of it, day by day
"""

from gateway_project.demo_data.filling import fill
from gateway_project.demo_data.plan import Size

__all__ = ["Size", "fill"]

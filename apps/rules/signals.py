"""What people do with rules, for layers above that rules may not import."""

from django.dispatch import Signal

# A person added a rule, changed where it is found, or took it out of draft. Sent with `rule` and `by`.
rule_begins = Signal()

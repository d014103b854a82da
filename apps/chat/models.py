"""What the chat path stores: the answers to requests with an Idempotency-Key, for a day."""

from django.db import models

from apps.common.translation import lazy as _


class Repeat(models.Model):
    """An Idempotency-Key of one student, the call that executed it, and its answer.

    Written by `apps.chat.idempotency.claims`. The membership is not a foreign key, because a row lives for a day only
    and is useless once its student is gone.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Being answered")
        DONE = "done", _("Answered")

    id = models.CharField(_("digest of student and key"), max_length=64, primary_key=True)
    body = models.CharField(_("digest of the request"), max_length=64)
    call = models.CharField(_("request ID"), max_length=32, db_index=True)
    membership = models.BigIntegerField()
    state = models.CharField(max_length=4, choices=State.choices)
    answer = models.TextField(blank=True, help_text=_("Encrypted; empty if it was too long to be kept."))
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(state__in=("open", "done")), name="repeat_state_is_known"),
        )

    def __str__(self) -> str:
        return f"{self.call} ({self.state})"

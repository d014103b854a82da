"""What the tables of versions share. A version is a row, or a document of several, as it was saved at some instant."""

from django.conf import settings
from django.db import models


class Version(models.Model):
    """Subclasses add the foreign key to what they are versions of, and a constraint that it has each number once."""

    number = models.PositiveIntegerField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)
    fields = models.JSONField()
    summary = models.CharField(max_length=500)

    class Meta:
        abstract = True
        ordering = ("-number",)

    def __str__(self) -> str:
        return f"version {self.number}"

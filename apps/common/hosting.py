"""Where data may go: the classes of hosting, and what a course or a model demands of a provider."""

from dataclasses import dataclass

from django.db import models

from apps.common.translation import lazy as _


class Hosting(models.TextChoices):
    """Who runs a server, from the closest to the farthest."""

    OWN = "own", _("Own: runs on the institution's own machines")
    CONTRACTED = "contracted", _("Contracted: a company that processes data under a contract with the institution")
    EXTERNAL = "external", _("External: any other company")


class Most(models.TextChoices):
    """The farthest hosting that a demand admits. The values are those of Hosting."""

    OWN = "own", _("Own machines only")
    CONTRACTED = "contracted", _("Own or contracted")
    EXTERNAL = "external", _("Anywhere")


@dataclass(frozen=True, slots=True)
class Demand:
    """The farthest hosting and the region that are allowed; an empty field demands nothing."""

    hosting: str = ""
    region: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.region or (self.hosting and self.hosting != Hosting.EXTERNAL))

    def admits(self, *, hosting: str, region: str) -> bool:
        """True if data may go there. The region `eu` admits `eu-north`; a server without a region is in none."""
        order = Hosting.values
        if self.hosting and order.index(hosting) > order.index(self.hosting):
            return False
        wanted, found = self.region.lower(), region.lower()
        return not wanted or found == wanted or found.startswith(f"{wanted}-")

    def in_words(self) -> str:
        """Where prompts stay, such as “on the institution's own machines in the region 'eu'”."""
        words = _WORDS.get(self.hosting, "at any provider")
        return f"{words} in the region '{self.region}'" if self.region else words


_WORDS = {
    "own": "on the institution's own machines",
    "contracted": "on the institution's own machines or with its contracted providers",
}

ANYWHERE = Demand()

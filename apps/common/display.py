"""Numbers, instants, badges and bars, formatted the same on every page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from django.utils import dateformat, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

SPACE = "\N{NARROW NO-BREAK SPACE}"
NOTHING = "–"
Level = Literal["good", "warning", "bad", ""]


def number(value: int) -> str:
    return f"{value:,}".replace(",", SPACE)


def signed(value: int) -> str:
    if not value:
        return NOTHING
    return ("+" if value > 0 else "\N{MINUS SIGN}") + number(abs(value))


def duration(milliseconds: int | None) -> str:
    if milliseconds is None:
        return NOTHING
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def moment(value: datetime | None, *, now: datetime | None = None) -> str:
    """An instant by the clock of the page, for sentences and hints: "today 09:43", "Mon 30 Nov 09:43"."""
    if value is None:
        return NOTHING
    local, today = timezone.localtime(value), timezone.localtime(now or timezone.now()).date()
    if local.date() == today:
        return gettext("today %(time)s") % {"time": f"{local:%H:%M}"}
    return dateformat.format(local, "D j M H:i" if local.year == today.year else "D j M Y H:i")


def when(value: datetime | None, *, now: datetime | None = None) -> str:
    """An instant in a list or on a page, with its seconds and its time zone on hover."""
    return NOTHING if value is None else _time(value, moment(value, now=now))


def instant(value: datetime | None) -> str:
    """An instant to the second, for the ledger and other logs, at the same width in every row."""
    return NOTHING if value is None else _time(value, f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}")


def _time(value: datetime, words: str) -> SafeString:
    full = f"{dateformat.format(local := timezone.localtime(value), 'D j M Y, H:i:s')} {local:%Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', local.isoformat(timespec="seconds"), full, words)


def week_of(starts_at: datetime, ends_at: datetime, *, zone: tzinfo | None = None) -> str:
    """A week by its first and last day, "30 Nov – 6 Dec". Without `zone`, by the clock of the page."""
    first = timezone.localtime(starts_at, zone).date()
    last = timezone.localtime(ends_at - timedelta(microseconds=1), zone).date()
    if first.year != last.year:
        return f"{dateformat.format(first, 'j M Y')} – {dateformat.format(last, 'j M Y')}"
    year = "" if last.year == timezone.localtime(timezone.now(), zone).year else " Y"
    return f"{dateformat.format(first, 'j M')} – {dateformat.format(last, f'j M{year}')}"


def zone_name() -> str:
    """The clock of the page, such as Europe/Helsinki."""
    return timezone.get_current_timezone_name()


def clock(at: datetime | None) -> str:
    """The time of day until which something lasts, with the zone that it is in."""
    return timezone.localtime(at).strftime("%H:%M %Z") if at else gettext("further notice")


def badge(text: str, kind: str = "", title: str = "") -> SafeString:
    """`kind`: good, warning, bad, or nothing for neutral."""
    return format_html('<span class="stoa-badge {}" title="{}">{}</span>', kind, title, text)


@dataclass(frozen=True, slots=True)
class Shown:
    """A state in a word or two, how a badge shows it, and what it means."""

    words: str
    level: Level
    meaning: str = ""

    @property
    def badge(self) -> SafeString:
        return badge(self.words, self.level, self.meaning)


def share(*, used: int, held: int = 0, limit: int | None) -> SafeString:
    """Used and held amounts, as a bar if there is a limit."""
    words = number(used) + (gettext(" + {held} held").format(held=number(held)) if held else "")
    if limit is None:
        return format_html('<span class="stoa-share">{} <small>{}</small></span>', words, gettext("no limit"))
    full = max(limit, 1)
    used_width = min(100.0, 100 * used / full)
    held_width = min(100.0 - used_width, 100 * held / full)
    state = "bad" if used >= limit else "warning" if used + held >= 0.8 * limit else "good"
    return format_html(
        '<span class="stoa-share">{} <small>{}</small>'
        '<svg class="stoa-bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="whole" width="100" height="6"/><rect class="used {}" width="{}" height="6"/>'
        '<rect class="held" x="{}" width="{}" height="6"/></svg></span>',
        words,
        gettext("of {limit}").format(limit=number(limit)),
        gettext("{percent} percent used").format(percent=round(100 * used / full)),
        state,
        f"{used_width:.2f}",
        f"{used_width:.2f}",
        f"{held_width:.2f}",
    )


def spread(*, p50: int, p95: int, longest: int) -> SafeString:
    """Two percentiles in milliseconds, with a bar on a scale that ends at `longest`, so that rows can be compared."""
    full = max(longest, 1)
    middle, end = min(100.0, 100 * p50 / full), min(100.0, 100 * p95 / full)
    return format_html(
        '<span class="stoa-share stoa-spread">{} <small>p95 {}</small>'
        '<svg class="stoa-bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img"'
        ' aria-label="{}">'
        '<rect class="whole" width="100" height="6"/><rect class="held" width="{}" height="6"/>'
        '<rect class="done" width="{}" height="6"/></svg></span>',
        duration(p50),
        duration(p95),
        gettext("half within {p50}, 95 percent within {p95}").format(p50=duration(p50), p95=duration(p95)),
        f"{end:.2f}",
        f"{middle:.2f}",
    )


def sparkline(counts: Sequence[int], *, label: str) -> SafeString:
    """A bar for each count, on a scale of their own."""
    highest = max([*counts, 1])
    bars = format_html_join(
        "",
        '<rect x="{}" y="{}" width="6" height="{}"/>',
        (
            (8 * n, f"{20 - height:.1f}", f"{height:.1f}")
            for n, height in enumerate(max(1.0, 20 * c / highest) for c in counts)
        ),
    )
    return format_html(
        '<svg class="stoa-spark" viewBox="0 0 {} 20" role="img" aria-label="{}: {}">{}</svg>',
        max(8 * len(counts) - 2, 1),
        label,
        ", ".join(map(str, counts)),
        bars,
    )


def proportion(part: int, whole: int) -> SafeString:
    """A part of a whole in percent, with a bar."""
    percent = 100 * part / max(whole, 1)
    return format_html(
        '<span class="stoa-share stoa-spread">{} % <small>{}</small>'
        '<svg class="stoa-bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="whole" width="100" height="6"/><rect class="done" width="{}" height="6"/></svg></span>',
        round(percent),
        number(part),
        gettext("{percent} percent").format(percent=round(percent)),
        f"{percent:.2f}",
    )

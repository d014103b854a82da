"""Estimates the tokens of those parts of a prompt that are not text. Pure.

docs/charging.md lists the figures and their sources. They are upper bounds of what providers publish: they decide what
is held, and are charged only if the provider reports no usage.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

IMAGE_LOW = 85
IMAGE_HIGH = 85 + 170 * 8  # after scaling, no image has more than eight tiles of 512 pixels
AUDIO_A_SECOND = 32
WAV_BYTES_A_SECOND = 16_000  # of sound sampled 8,000 times a second in 16 bits, the lowest rate in use
SOUND_BYTES_A_SECOND = 4_000  # of compressed sound, 32 kbit/s
VIDEO_A_SECOND = 263
VIDEO_BYTES_A_SECOND = 16_000
FILE_LEAST, FILE_MOST = IMAGE_HIGH, 100_000
UNSEEN = 20_000  # for content of which only a URL or an id is known
UNKNOWN = 4_096
TEXTS = frozenset({"text", "refusal"})


@dataclass(frozen=True, slots=True)
class Media:
    """Parts of a prompt that are not text: what they may cost, and how many bytes of the request are their data."""

    tokens: int = 0
    bytes: int = 0


NO_MEDIA = Media()


def media_of(messages: Iterable[Mapping[str, Any]]) -> Media:
    """Add up all parts that are not text. Counts whatever a client may send, and never raises."""
    tokens = data = 0
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            found = _part(part)
            tokens += found.tokens
            data += found.bytes
    return Media(tokens, data) if tokens else NO_MEDIA


def _part(part: Mapping[str, Any]) -> Media:
    kind = part["type"]
    if kind in TEXTS or (kind not in _KNOWN and isinstance(part.get("text"), str)):
        return NO_MEDIA
    cost = _KNOWN.get(kind)
    return cost(part.get(kind)) if cost is not None else Media(UNKNOWN)


def _image(image: Any) -> Media:
    detail = image.get("detail") if isinstance(image, dict) else None
    return Media(IMAGE_LOW if detail == "low" else IMAGE_HIGH, len(_data(image, "url")))


def _sound(sound: Any) -> Media:
    data = _data(sound, "data", "url")
    is_wav = isinstance(sound, dict) and sound.get("format") == "wav"
    return _timed(data, AUDIO_A_SECOND, WAV_BYTES_A_SECOND if is_wav else SOUND_BYTES_A_SECOND)


def _video(video: Any) -> Media:
    return _timed(_data(video, "url", "data"), VIDEO_A_SECOND, VIDEO_BYTES_A_SECOND)


def _file(file: Any) -> Media:
    data = _data(file, "file_data")
    tokens = min(FILE_MOST, max(FILE_LEAST, _decoded(data) // 3)) if data else UNSEEN
    return Media(tokens, len(data))


def _timed(data: str, tokens: int, bytes_a_second: int) -> Media:
    """Media that are billed by duration, which their size bounds from above."""
    return Media(tokens * -(-_decoded(data) // bytes_a_second) if data else UNSEEN, len(data))


def _data(part: Any, *names: str) -> str:
    """The data that was sent, as a data URL or bare base64. Empty if there is only a URL, or nothing."""
    values = [part] if isinstance(part, str) else [part.get(name) for name in names] if isinstance(part, dict) else []
    return next((value for value in values if isinstance(value, str) and _is_data(value)), "")


def _is_data(value: str) -> bool:
    return value.startswith("data:") or not value.startswith(("http:", "https:", "gs:", "s3:", "file:"))


def _decoded(data: str) -> int:
    return len(data) * 3 // 4


_KNOWN: Mapping[str, Callable[[Any], Media]] = {
    "image_url": _image,
    "input_audio": _sound,
    "audio_url": _sound,
    "video_url": _video,
    "file": _file,
}

"""Estimates of a prompt: what its text is likely to be in tokens, and what parts that are no text may cost. Pure.

docs/charging.md has the table of the latter and says where its figures come from. They are upper bounds of what
providers publish: they decide what is held, and are charged only if the provider reports no usage.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

IMAGE_LOW = 85
IMAGE_HIGH = 85 + 170 * 8  # after scaling, no image has more than eight tiles of 512 pixels
AUDIO_A_SECOND = 32
WAV_BYTES_A_SECOND = 16_000  # of sound that is sampled 8,000 times a second in 16 bits, the least in use
SOUND_BYTES_A_SECOND = 4_000  # of compressed sound, 32 kbit/s
VIDEO_A_SECOND = 263
VIDEO_BYTES_A_SECOND = 16_000
FILE_LEAST, FILE_MOST = IMAGE_HIGH, 100_000
UNSEEN = 20_000  # of what only an address or an id tells of
UNKNOWN = 4_096
TEXTS = frozenset({"text", "refusal"})


@dataclass(frozen=True, slots=True)
class Media:
    """The parts of a prompt that are no text: what they may cost, and how many bytes of the request are their data."""

    tokens: int = 0
    bytes: int = 0


NO_MEDIA = Media()


def media_of(messages: Iterable[Mapping[str, Any]]) -> Media:
    """Add up all parts that are no text. Whatever a client may have put into them is counted, and nothing raises."""
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
    """What is paid for by its length, of which its bytes give the upper bound."""
    return Media(tokens * -(-_decoded(data) // bytes_a_second) if data else UNSEEN, len(data))


def _data(part: Any, *names: str) -> str:
    """The data that came along, base64 behind a head or bare; empty if there is only an address, or nothing."""
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

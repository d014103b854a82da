"""Files within a JSON string: data URLs and base64, read as leniently as by those who decode them. Pure, linear time.

Decoders skip white space (RFC 2045), take either alphabet of base64 (RFC 4648), and read `data:` and `base64` in any
case and with any parameters (RFC 2397, WHATWG). Many skip whatever is no letter of base64, and go by a charset or not.
Text that only they can read would pass by the rules.
"""

import binascii
import re
from dataclasses import dataclass

_BREAK = r"[\t\n\r]*"  # URLs may have these anywhere
DATA_SCHEME = re.compile(rf"[\x00-\x20]*{_BREAK.join('data:')}", re.IGNORECASE)
_SPACE = b"\t\n\r\x0b\x0c "
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_STANDARD = bytes.maketrans(b"-_", b"+/")
_NO_LETTERS = bytes(set(range(256)).difference(_LETTERS))
_MOST_PADS = 100
_MEDIA = ("image", "audio", "video")
_MARKS = (b"\xff\xfe", b"\xfe\xff")  # of UTF-16
_CHARSET = re.compile(
    r"utf-?(?:8|16|32)(?:-?[lb]e)?|iso-?8859-\d{1,2}|windows-125\d|latin-?1|(?:us-)?ascii|koi8-[ru]|"
    r"gb(?:2312|k|18030)|big5|shift[_-]jis|euc-(?:jp|kr)"
)


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """A file: its media type, empty if unknown, and its bytes or, if `is_base64`, their code without white space.

    `is_code`: the string that it came in is nothing but code, whose letters are no words.
    """

    kind: str
    content: bytes
    charset: str = ""
    is_base64: bool = True
    is_code: bool = True

    def text(self) -> str:
        """The text of the file. Empty for images, sound and other binary data, and for what cannot be decoded.

        A charset may be wrong, and a mark be letters. So there may be several readings, one after the other.
        """
        if self.kind.startswith(_MEDIA) and not self.kind.endswith("xml"):
            return ""
        data = _decoded(self.content) if self.is_base64 else self.content
        charsets = {
            "utf-8-sig": True,
            "utf-16": data.startswith(_MARKS),
            self.charset: _CHARSET.fullmatch(self.charset) is not None,
        }
        readings = [self._reading(data, charset) for charset, is_likely in charsets.items() if is_likely]
        return "\n".join(dict.fromkeys(filter(None, readings)))

    def _reading(self, data: bytes, charset: str) -> str:
        try:
            return data.decode(charset, "replace" if self.kind.startswith("text/") else "strict")
        except (UnicodeDecodeError, LookupError):
            return ""


def data_url(text: str) -> EncodedFile | None:
    """The file of a data URL; None if the text is none."""
    scheme = DATA_SCHEME.match(text)
    if scheme is None or (comma := text.find(",", scheme.end())) < 0:
        return None
    head = "".join(text[scheme.end() : comma].split()).lower()
    kind = head.partition(";")[0]
    if "/" not in kind:
        kind = "text/plain"
    charset = head.partition(";charset=")[2].partition(";")[0].strip("'\"")
    content = text[comma + 1 :]
    if ";base64;" not in f"{head};":
        return EncodedFile(kind, _unquoted(content), charset, is_base64=False, is_code=False)
    return base64_file(content, kind, charset=charset, most_pads=_MOST_PADS)


def base64_file(text: str, kind: str = "", *, charset: str = "", most_pads: int = 0) -> EncodedFile:
    """The file that a text is the base64 of, read as if all that is no letter were not there.

    Pads in the middle join several codes.
    """
    raw = (_unquoted(text) if "%" in text else text.encode(errors="replace")).strip(_SPACE)
    content = raw.translate(_STANDARD, _SPACE)
    letters = content.rstrip(b"=")
    if letters.translate(None, _LETTERS + b"=") or letters.count(b"=") > most_pads:
        return EncodedFile("", content.translate(None, _NO_LETTERS), charset, is_code=False)
    return EncodedFile(kind, content, charset, is_code=b" " not in raw)


def _decoded(content: bytes) -> bytes:
    """A letter too many at the end counts for nothing, as with most decoders."""
    parts = [part[:-1] if len(part) % 4 == 1 else part for part in content.split(b"=") if part]
    return b"".join([binascii.a2b_base64(part + b"==") for part in parts])


def _unquoted(text: str) -> bytes:
    """Percent-encoding is undone as if it were quoted-printable, which the standard library reads far faster.

    In that, a sign twice stands for itself, and one before CR hides what comes up to the next LF.
    """
    raw = text.encode(errors="replace").replace(b"=", b"=3D").replace(b"\r", b"\n")
    for _ in range(2):  # the first time leaves pairs in longer runs
        raw = raw.replace(b"%%", b"%25%")
    return binascii.a2b_qp(raw.replace(b"%", b"="))

"""Files within a JSON string: data URLs and base64, read as leniently as by those who decode them. Pure, linear time.

Decoders skip white space (RFC 2045), take either alphabet of base64 (RFC 4648), and read `data:` and `base64` in any
case and with any parameters (RFC 2397, WHATWG). Many skip whatever is no letter of base64, and go by a charset or not.
Text that only they can read would pass by the rules.
"""

import binascii
import re
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass

_BREAK = r"[\t\n\r]*"  # URLs may have these anywhere
DATA_SCHEME = re.compile(rf"[\x00-\x20]*{_BREAK.join('data:')}", re.IGNORECASE)
_SPACE = b"\t\n\r\x0b\x0c "
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_CUT = 64  # how far before its limit a piece may end at a good place
_UNCUT = frozenset(b"%\r\n")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_NO_LETTERS = bytes(set(range(256)).difference(_LETTERS))
_MOST_PADS = 100
_MEDIA = ("image", "audio", "video")
_PIECE = 64 * 1024  # letters of base64, four of which stand for three bytes
_MARKS = (b"\xff\xfe", b"\xfe\xff")  # of UTF-16
_LONG_MARKS = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")  # of UTF-32
_WIDE = re.compile(r"utf-?(?:16|32)")
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

    def text(self, most: int = sys.maxsize) -> str:
        """The text of the file. Empty for images, sound and other binary data, and for what cannot be decoded.

        A charset may be wrong, and a mark be letters. So there may be several readings, one after the other. Each ends
        soon after `most` characters.
        """
        if self.kind.startswith(_MEDIA) and not self.kind.endswith("xml"):
            return ""
        start = next(self._pieces(), b"")
        charsets = {
            "utf-8-sig": True,
            "utf-16": start.startswith(_MARKS),
            _ordered(self.charset, start): _CHARSET.fullmatch(self.charset) is not None,
        }
        readings = [self._reading(charset, most) for charset, is_likely in charsets.items() if is_likely]
        return "\n".join(dict.fromkeys(filter(None, readings)))

    def _reading(self, charset: str, most: int) -> str:
        read: list[str] = []
        try:
            decoder = getincrementaldecoder(charset)("replace" if self.kind.startswith("text/") else "strict")
            for piece in self._pieces():
                read.append(decoder.decode(piece))
                if (most := most - len(read[-1])) < 0:
                    return "".join(read)
            return "".join((*read, decoder.decode(b"", final=True)))
        except (UnicodeDecodeError, LookupError):
            return ""

    def _pieces(self) -> Iterator[bytes]:
        """The bytes of the file, a piece at a time: nobody else does anything while one is decoded.

        A letter too many at the end of a code counts for nothing, as with most decoders.
        """
        for part in self.content.split(b"=") if self.is_base64 else [self.content]:
            end = len(part) - (self.is_base64 and len(part) % 4 == 1)
            for at in range(0, end, _PIECE):
                piece = part[at : min(at + _PIECE, end)]
                yield binascii.a2b_base64(piece + b"==") if self.is_base64 else piece


def _ordered(charset: str, start: bytes) -> str:
    """The charset with an order of bytes, if neither its name nor a mark at the start of the file tells one."""
    is_told = start.startswith(_MARKS if "16" in charset else _LONG_MARKS)
    return f"{charset}-le" if _WIDE.fullmatch(charset) and not is_told else charset


def data_url(text: str) -> EncodedFile | None:
    """The file of a data URL; None if the text is none."""
    scheme = DATA_SCHEME.match(text)
    if scheme is None or (comma := text.find(",", scheme.end())) < 0:
        return None
    head = text[scheme.end() : comma].encode(errors="replace").translate(None, _SPACE).decode().lower()
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


def _unquoted(text: str) -> bytes:
    """Undo percent-encoding, a piece at a time. A piece ends neither within an escape nor within a line end."""
    raw = text.encode(errors="replace")
    pieces, at = [], 0
    while at < len(raw):
        end = at + _PIECE
        kept = next((back for back in range(_CUT) if not _UNCUT.intersection(raw[end - back - 2 : end - back])), 0)
        pieces.append(_unquoted_piece(raw[at : end - kept]))
        at = end - kept
    return b"".join(pieces)


def _unquoted_piece(raw: bytes) -> bytes:
    """Undo it as if it were quoted-printable, which the standard library reads far faster.

    In that, a sign twice stands for itself, and one before CR hides what comes up to the next LF.
    """
    raw = raw.replace(b"=", b"=3D").replace(b"\r", b"\n")
    for _ in range(2):  # the first time leaves pairs in longer runs
        raw = raw.replace(b"%%", b"%25%")
    return binascii.a2b_qp(raw.replace(b"%", b"="))

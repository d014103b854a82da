"""Whether a pattern is found in nearly any text. Pure.

Such a pattern is valid, and may even be meant, so its author is warned. The engine refuses a pattern that matches the
empty text.
"""

from functools import lru_cache

from apps.rules.checksums import CHECKSUMS
from apps.rules.engine.matcher import BadPattern, EngineFailed, Matcher

NEARLY_ALL = 0.75  # of the everyday sentences of one language

# What students might ask about anything.
EVERYDAY: dict[str, tuple[str, ...]] = {
    "English": (
        "What is the difference between a list and a tuple?",
        "Explain photosynthesis to me in simple words.",
        "Why does my loop never stop?",
        "Give me three books about the Roman Empire.",
        "Is this sentence correct: He go to school?",
        "How do I plan a week of study?",
        "Translate good morning into French",
        "I don't understand this proof, can you help?",
    ),
    "German": (
        "Was ist der Unterschied zwischen Masse und Gewicht?",
        "Erkläre mir bitte die Ableitung von x²",
        "Warum ist der Himmel blau?",
        "Wie lerne ich am besten Vokabeln?",
    ),
    "French": (
        "Quelle est la capitale de la Finlande ?",
        "Explique-moi la photosynthèse simplement.",
        "Pourquoi mon programme ne marche pas ?",
        "Donne-moi un exemple, s'il te plaît.",
    ),
    "Finnish": (
        "Mikä on listan ja monikon ero?",
        "Selitä fotosynteesi yksinkertaisesti.",
        "Miksi silmukka ei lopu koskaan?",
        "Anna kolme esimerkkiä, kiitos.",
    ),
}


@lru_cache(maxsize=256)
def too_broad(pattern: str, *, checksum: str = "") -> str:
    """A sentence for the author of a pattern that is found in nearly any text; empty for all others."""
    for language, sentences in EVERYDAY.items():
        found = _found(pattern, checksum, sentences)
        if len(found) >= NEARLY_ALL * len(sentences):
            return (
                f"This pattern is found in nearly any text: in {len(found)} of {len(sentences)} everyday sentences in "
                f"{language}, such as “{found[0]}”."
            )
    return ""


def _found(pattern: str, checksum: str, sentences: tuple[str, ...]) -> list[str]:
    try:
        matcher = Matcher([pattern], [CHECKSUMS.get(checksum)])
        return [sentence for sentence in sentences if matcher.found(sentence)]
    except (BadPattern, EngineFailed):
        return []

"""Ready-made rules to start from. Data: the pages that offer them copy one into a course as a draft."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyRule:
    """A rule to copy. What must and must not match is tested against the engine, and copied as the rule's examples."""

    slug: str
    group: str
    title: str
    purpose: str  # what it is for, and what it cannot do
    pattern: str
    action: str  # block, redact, flag or guide
    direction: str = "prompt"  # prompt, answer or both
    checksum: str = ""  # a name in checksums.CHECKSUMS: matches with wrong check digits do not count
    message: str = ""  # block: what the student reads
    guidance: str = ""  # guide: what the model is told
    replacement: str = ""  # redact: what stands in place of the match
    matches: tuple[str, ...]
    misses: tuple[str, ...]


LIBRARY = (
    ReadyRule(
        slug="card-number",
        group="Personal data",
        title="Payment card numbers",
        purpose="Removes card numbers before anybody stores them. Only numbers with a valid check digit count.",
        pattern=r"\b\d(?:[ -]?\d){12,18}\b",
        checksum="luhn",
        action="redact",
        replacement="[card number]",
        matches=("Pay with 4111 1111 1111 1111.",),
        misses=("Order 4111 1111 1111 1112 has shipped.",),
    ),
    ReadyRule(
        slug="homework-for-me",
        group="Homework",
        title="“Do my homework for me”",
        purpose="Refuses requests to do a whole piece of homework. Questions about a step of it pass.",
        pattern=r"(?i)\b(?:please|just|can\s+you|could\s+you)\s+(?:do|solve|complete|finish|write)\s+"
        r"(?:all\s+(?:of\s+)?)?(?:my|this|the)\s+(?:whole\s+|entire\s+)?"
        r"(?:home\s?work|assignment|problem\s+set|exercise\s+sheet|worksheet)\b",
        action="block",
        message="Ask about the step where you are stuck and say what you have tried; nobody learns from finished homework.",
        matches=("Please solve this worksheet.", "Could you do my whole homework?"),
        misses=("I want to do my homework alone.", "Can you explain the second step of my homework?"),
    ),
)

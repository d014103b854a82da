"""What an instructor says about a sample of a replay: *Looks right* or *Not meant*. Both become examples of the rule.

A sentence that is not meant can only become an example once the pattern no longer finds it.
"""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404
from django.utils.translation import gettext

from apps.common.models import Job
from apps.conversations import replay
from apps.conversations.searches import Sample, TextPosition, read_again
from apps.rules.models import Rule
from apps.rules.trials import finds

NOTE = "example from a recorded call"


def sample_of(rule: Rule, *, job: int, number: int) -> Sample:
    """The sample of a replay of this rule, read again. Raises Http404 if it is not there any more."""
    found = Job.objects.filter(pk=job, kind=replay.KIND, subject=replay.subject(rule), state=Job.State.DONE).first()
    places = (found.result or {}).get("samples", []) if found is not None else []
    samples = read_again([TextPosition(**place) for place in places[number : number + 1]])
    if not samples or not samples[0].found:
        raise Http404
    return samples[0]


def looks_right(rule: Rule, sample: Sample, *, by: object) -> tuple[int, str]:
    """Keep the words that were found as an example that must be found. The level and the text of a message."""
    text = next((text for text in (sample.found, sample.sentence) if finds(rule, text)), "")
    if not text:
        return messages.WARNING, gettext("The pattern does not find these words any more, so they were not added.")
    return _kept(rule, text, "examples_match", by=by, said=gettext("must be found"))


def not_meant(rule: Rule, sample: Sample, *, by: object) -> tuple[int, str] | None:
    """Keep the sentence as an example that must not be found; None if the pattern still finds it."""
    if finds(rule, sample.sentence):
        return None
    return _kept(rule, sample.sentence, "examples_no_match", by=by, said=gettext("must not be found"))


def _kept(rule: Rule, text: str, field: str, *, by: object, said: str) -> tuple[int, str]:
    try:
        rule.add_example(text, field=field, by=by, note=NOTE)
    except ValidationError as error:
        return messages.WARNING, gettext("Not added: {messages}").format(messages=" ".join(error.messages))
    return messages.SUCCESS, gettext("“{text}” is now an example of {name} that {said}.").format(
        text=text, name=rule.name, said=said
    )

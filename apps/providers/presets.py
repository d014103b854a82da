"""What is known in advance about the usual providers: their address, who runs them, and what they understand. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from apps.common.translation import lazy as _

LONGEST_NAME = 60  # of a provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A kind of provider. What it says about the address and the key stands beside their fields."""

    slug: str
    title: str
    about: str
    base_url: str = ""
    hosts: tuple[str, ...] = ()  # ends of host names, by which a stored provider is recognized
    port: int = 0  # the usual one of a server of one's own, by which it is recognized too
    address_hint: str = _("The address up to and including /v1.")
    key_hint: str = _("Your provider's pages show where keys are made. Make one for this gateway alone.")
    needs_key: bool = True
    model_hint: str = ""
    adapter: str = "openai"
    hosting: str = "external"
    allow_private: bool = False
    output_cap: str = "max_tokens"

    @property
    def values(self) -> dict[str, Any]:
        """What a provider of this kind begins with, beside its name and address."""
        return {"adapter": self.adapter, "hosting": self.hosting, "output_cap": self.output_cap}


PRESETS: tuple[Preset, ...] = (
    Preset(
        slug="openai",
        title="OpenAI",
        about=_("Models such as GPT, with a key from platform.openai.com."),
        base_url="https://api.openai.com/v1",
        hosts=("api.openai.com",),
        address_hint=_("This is OpenAI's own address. Projects in the EU use https://eu.api.openai.com/v1."),
        key_hint=_("Create a project with a budget at platform.openai.com, and in it a key, which begins with sk-."),
        output_cap="max_completion_tokens",
    ),
    Preset(
        slug="azure-openai",
        title="Azure OpenAI",
        about=_("Models in your institution's Azure subscription, in a region that you choose."),
        base_url="https://YOUR-RESOURCE.openai.azure.com/openai/v1",
        hosts=(".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"),
        address_hint=_("Replace YOUR-RESOURCE by the name of your resource. The address ends in /openai/v1."),
        key_hint=_("In the Azure portal: the resource, then Keys and Endpoint. Either of the two keys will do."),
        model_hint=_(
            "Azure lists every model that it offers. Tick those that you deployed. If you gave a deployment "
            "another name, add it by that name."
        ),
        hosting="contracted",
        output_cap="max_completion_tokens",
    ),
    Preset(
        slug="mistral",
        title="Mistral",
        about=_("Models of Mistral AI, with a key from console.mistral.ai."),
        base_url="https://api.mistral.ai/v1",
        hosts=("api.mistral.ai",),
        address_hint=_("This is Mistral's own address."),
        key_hint=_("Make a key at console.mistral.ai, in a workspace of its own."),
    ),
    Preset(
        slug="ollama",
        title="Ollama",
        about=_("A model server on a machine of your own. It needs no key."),
        base_url="http://localhost:11434/v1",
        port=11434,
        address_hint=_(
            "The machine on which Ollama runs, with its port, which is 11434 unless you changed it, and /v1."
        ),
        key_hint=_("Ollama asks for no key. Leave this empty unless a proxy in front of it wants one."),
        needs_key=False,
        hosting="own",
        allow_private=True,
    ),
    Preset(
        slug="vllm",
        title="vLLM",
        about=_("A model server on machines of your own, for many calls at once."),
        base_url="http://localhost:8000/v1",
        port=8000,
        address_hint=_("The machine on which vLLM runs, with its port, which is 8000 unless you changed it, and /v1."),
        key_hint=_("What vLLM was started with as --api-key. Leave this empty if it was started without one."),
        needs_key=False,
        hosting="own",
        allow_private=True,
    ),
    Preset(
        slug="echo",
        title=_("Echo, for trying things out"),
        about=_("Answers with the words of the question. It needs no account, and sends nothing anywhere."),
        adapter="echo",
        needs_key=False,
        hosting="own",
    ),
    Preset(
        slug="other",
        title=_("Another provider"),
        about=_(
            "Any server with OpenAI's chat completions API, such as OpenRouter, Groq, LM Studio or another gateway."
        ),
        address_hint=_("The address up to and including /v1, such as https://api.example.com/v1."),
    ),
)
OTHER = PRESETS[-1]
_BY_SLUG = {preset.slug: preset for preset in PRESETS}


def preset(slug: str) -> Preset | None:
    return _BY_SLUG.get(slug)


def preset_of(*, adapter: str, base_url: str) -> Preset:
    """The kind of a provider that exists already."""
    if adapter == "echo":
        return _BY_SLUG["echo"]
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    for one in PRESETS:
        if any(host == end.lstrip(".") or host.endswith(end if end[0] == "." else f".{end}") for end in one.hosts):
            return one
        if one.port and _port(base_url) == one.port:
            return one
    return OTHER


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or 0
    except ValueError:
        return 0


def free_name(wanted: str, taken: Sequence[str]) -> str:
    """The name, with a number behind it if it is taken."""
    names = {name.lower() for name in taken}
    number, name = 1, wanted
    while name.lower() in names:
        number += 1
        name = f"{wanted[: LONGEST_NAME - 5]}-{number}"
    return name


# Words in the names of models that do something else than answer a conversation.
_OTHER_WORK = (
    "embed",
    "whisper",
    "tts",
    "dall-e",
    "moderation",
    "transcribe",
    "rerank",
    "image",
    "sora",
    "realtime",
    "audio",
    "ocr",
)


def may_chat(model: str) -> bool:
    """Whether a model's name leaves it possible that it answers conversations."""
    return not any(word in model.lower() for word in _OTHER_WORK)

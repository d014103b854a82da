"""What each check of digits counts, in words."""

from collections.abc import Mapping

from apps.common.translation import lazy as _

# What each counts, as in the middle of a sentence.
NAMES: Mapping[str, str] = {
    "card": _("payment card numbers"),
    "email": _("e-mail addresses of people"),
    "hetu": _("Finnish personal identity codes"),
    "luhn": _("numbers whose last digit is right by Luhn"),
    "mod97": _("bank accounts (IBAN)"),
    "personnummer": _("Swedish personal identity numbers"),
    "phone": _("telephone numbers"),
    "random": _("random-looking secrets"),
    "ssn": _("US social security numbers"),
}

"""The log lines of entries: one JSON object a line, for shipping elsewhere. Pure."""

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder


def line_of(entry: Any) -> str:
    """JSON escapes line breaks and everything else that is not ASCII, so that nobody's text makes a second line."""
    fields = {
        "at": entry.at,
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id, "name": entry.actor_name},
        "action": entry.action,
        "object": {"type": entry.object_type, "id": entry.object_id, "label": entry.object_label},
        "course": entry.course,
        "before": entry.before,
        "after": entry.after,
        "address": entry.address,
        "request_id": entry.request_id,
        "note": entry.note,
        "security": entry.is_security,
    }
    return json.dumps(fields, cls=DjangoJSONEncoder, ensure_ascii=True)

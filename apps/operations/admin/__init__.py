"""Admin pages of operations, for operators."""

from apps.operations.admin import channels as channels
from apps.operations.admin import deliveries as deliveries
from apps.operations.admin import live as live

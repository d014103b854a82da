from apps.operations.models.channels import NotificationChannel
from apps.operations.models.fields import TOPIC, About
from apps.operations.models.live import LiveSettings
from apps.operations.models.notifications import Notification, NotificationDelivery

__all__ = ["TOPIC", "About", "LiveSettings", "Notification", "NotificationChannel", "NotificationDelivery"]

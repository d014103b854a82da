"""Admin pages of conversations, calls and appeals. Importing this package registers them."""

from apps.conversations.admin import appeals as appeals
from apps.conversations.admin import calls as calls
from apps.conversations.admin import conversations as conversations
from apps.conversations.admin import dead_letters as dead_letters

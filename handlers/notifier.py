"""What the types share that tell people: quiet hours and a message in the operator's own words."""

from datetime import datetime, timedelta

from handlers.templates import TemplateText
from receiver.handler import Handler
from receiver.quiet import Quiet


class Notifier(Handler):
    """The keys that every such type has."""

    quiet: Quiet | None = None
    """When nobody wants to be told: {from: "22:00", to: "07:00", zone: Europe/Berlin}. Problems go out all the same."""
    template: TemplateText | None = None
    """The message in your own words, as a Jinja template; left out: ours."""

    def quiet_left(self, now: datetime) -> timedelta | None:
        return self.quiet.left(now) if self.quiet else None

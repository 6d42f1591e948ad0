"""What is remembered of a message in Slack: where it is, what it shows, and what its thread has been told."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from receiver.events import OWN_KINDS
from receiver.handler import Event, Notes

_ASKED = "asked for"
_WORDS = {
    "submission.accepted": _ASKED,
    "submission.unknown": "no clear answer",
    "submission.overdue": "late",
    "submission.lost": "lost",
    "submission.rejected": "refused",
    "text": "lyrics",
    "first": "first track",
    "complete": "ready",
    "updated": "updated",
    "failed": "failed",
}
_LAST = frozenset({"ready", "updated", "failed", "lost", "refused"})
_MADE = frozenset({"complete", "updated"})


@dataclass(kw_only=True)
class Story:
    """`asked` is the channel as the configuration named it, `channel` its id, `ts` the message's own.

    `trail` are the stages that were shown, `shown` and `shown_at` the type and time of the last one. `told` are the
    keys of the details in the thread, `uploaded` the ids of the results whose sound is there.
    """

    asked: str = ""
    channel: str = ""
    ts: str = ""
    trail: list[str] = field(default_factory=list)
    shown: str = ""
    shown_at: datetime | None = None
    told: list[str] = field(default_factory=list)
    uploaded: list[str] = field(default_factory=list)

    def show(self, event: Event) -> None:
        self.trail = list(dict.fromkeys((*self.trail, _ASKED, _word(event))))
        self.shown, self.shown_at = event.type, event.received_at

    @property
    def path(self) -> str:
        """`asked for → lyrics …`: how far the submission is."""
        end = "" if self.trail and self.trail[-1] in _LAST else " …"
        return " → ".join(self.trail) + end

    def is_past(self, event: Event) -> bool:
        """Whether the message shows something later already; a redelivered stage must not turn it back."""
        if not self.ts or self.shown_at is None or (event.kind not in OWN_KINDS and event.stage in _MADE):
            return False
        accepted_late = event.type == "submission.accepted" and not self.shown.startswith("submission.")
        return accepted_late or event.received_at < self.shown_at


_STORY = TypeAdapter(Story)


def _word(event: Event) -> str:
    # An event of our own has the stage that its submission was in.
    stage = "" if event.kind in OWN_KINDS else event.stage or ""
    return _WORDS.get(event.type) or _WORDS.get(stage) or event.type.rpartition(".")[2]


def is_chapter(event: Event) -> bool:
    """Whether the event is about a submission's progress, and belongs into that submission's one message."""
    return bool(event.submission_id) and (event.kind not in OWN_KINDS or event.kind == "submission")


async def recall(notes: Notes, channel: str) -> Story:
    """The story so far; a new one where there is none, or where the handler now speaks in another channel."""
    try:
        story = _STORY.validate_python(await notes.read())
    except ValidationError:  # what another type under the same name left there
        return Story(asked=channel)
    return story if story.asked == channel else Story(asked=channel)


async def remember(notes: Notes, story: Story) -> None:
    value: dict[str, Any] = _STORY.dump_python(story, mode="json")
    await notes.write(value)

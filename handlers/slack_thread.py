"""The one message of a submission in a Slack channel: posted, edited in place, with a thread for the details."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from handlers.message import message_of
from handlers.slack_api import Reply, SlackApi, judge
from handlers.slack_details import details
from handlers.slack_message import compose, compose_reply, without_pictures
from handlers.slack_story import Story, is_chapter, recall, remember
from receiver.handler import Delivery, Notes, PermanentFailure, TargetFailure

logger = logging.getLogger(__name__)

POST, EDIT = "chat.postMessage", "chat.update"
# Slack fetches a picture before it takes the message, and answers one of these where it can't.
PICTURES_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "invalid_attachments"})
# The message is there no more, or nobody may edit it any longer: a new one takes its place.
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"})
# Slack knows our `client_msg_id`, but what it belonged to was removed.
_STALE_ID = frozenset({"duplicate_message_not_found", "duplicate_channel_not_found"})


@dataclass(frozen=True, slots=True)
class Step:
    """One call, for `why` in words."""

    why: str
    method: str
    fields: Mapping[str, Any]


class Thread:
    """What one delivery has to say in a channel."""

    def __init__(self, api: SlackApi, channel: str, delivery: Delivery, template: str | None) -> None:
        self._api = api
        self._channel = channel
        self._delivery = delivery
        self._template = template
        self.is_chapter = is_chapter(delivery.event)
        # A message of its own belongs to its delivery alone.
        self._notes: Notes = delivery.memory if self.is_chapter else delivery.progress

    async def tell(self) -> Story:
        """Posts or edits the message, then posts the details that its thread has not."""
        story = await recall(self._notes, self._channel)
        if not story.is_past(self._delivery.event):
            await self._show(story)
        await self._explain(story)
        return story

    async def plan(self) -> list[Step]:
        """What `tell` would do."""
        story = await recall(self._notes, self._channel)
        steps = [] if story.is_past(self._delivery.event) else [self._main(story)]
        answer = self._answer(story)
        return [*steps, answer] if answer else steps

    async def remember(self, story: Story) -> None:
        await remember(self._notes, story)

    async def reply(self, story: Story, name: str, text: str) -> None:
        """Posts markup into the thread, once for each `name`."""
        if name not in story.told:
            await self._leave(self._reply(story, name, text))
            story.told.append(name)
            await self.remember(story)

    async def _show(self, story: Story) -> None:
        step = self._main(story)
        reply = await self._send(step)
        if step.method == EDIT and reply.error in _GONE:
            before, story.ts, story.channel = story.ts, "", ""
            reply = await self._send(self._main(story, after=before))
        fields = judge(reply)
        story.channel, story.ts = str(fields.get("channel", story.channel)), str(fields.get("ts", story.ts))
        if not story.channel or not story.ts:
            raise PermanentFailure("Slack took the message and did not say where it is")
        await self.remember(story)

    def _main(self, story: Story, after: str = "") -> Step:
        trail = ""
        if self.is_chapter:
            story.show(self._delivery.event)
            trail = story.path
        message = compose(self._delivery, template=self._template, trail=trail)
        if story.ts:
            fields = {"channel": story.channel, "ts": story.ts, "text": message["text"], "blocks": message["blocks"]}
            return Step(f"Edits the message {story.ts} in {story.channel}", EDIT, fields)
        fields = {"channel": self._channel, **message, "client_msg_id": self._id("message", after)}
        return Step(f"Posts a new message to {self._channel}", POST, fields)

    async def _explain(self, story: Story) -> None:
        if step := self._answer(story):
            await self._leave(step)
            story.told += self._untold(story)
            await self.remember(story)

    def _answer(self, story: Story) -> Step | None:
        untold = self._untold(story)
        return self._reply(story, " ".join(untold), "\n".join(untold.values())) if untold else None

    def _untold(self, story: Story) -> dict[str, str]:
        found = details(self._delivery) if self.is_chapter else []
        return {detail.key: detail.text for detail in found if detail.key not in story.told}

    def _reply(self, story: Story, name: str, text: str) -> Step:
        headline = f"{message_of(self._delivery).title or 'Submission'}: details"
        place = {"channel": story.channel or self._channel, "thread_ts": story.ts or "(of that message)"}
        message = compose_reply(headline, text)
        return Step("Then, in its thread", POST, {**place, **message, "client_msg_id": self._id(name, story.ts)})

    async def _leave(self, step: Step) -> None:
        """A reply that Slack refuses is left out: the message itself has arrived."""
        try:
            judge(await self._call(step.method, step.fields))
        except (PermanentFailure, TargetFailure) as refusal:
            logger.warning("the thread of %s goes without a reply: %s", self._delivery.id, refusal.reason)

    async def _send(self, step: Step) -> Reply:
        reply = await self._call(step.method, step.fields)
        plain = without_pictures(step.fields)
        if reply.error in PICTURES_REFUSED and plain != step.fields:
            # A cover that Slack can't fetch must not cost the whole message.
            return await self._call(step.method, plain)
        return reply

    async def _call(self, method: str, fields: Mapping[str, Any]) -> Reply:
        reply = await self._api.call(method, fields)
        if reply.error in _STALE_ID:
            return await self._api.call(method, {name: fields[name] for name in fields if name != "client_msg_id"})
        return reply

    def _id(self, what: str, after: str) -> str:
        """The same for the same message of the same delivery, so that Slack may tell a repeated post."""
        return str(uuid5(NAMESPACE_URL, f"suno-receiver:{self._delivery.id}:{what!a}:{after}"))

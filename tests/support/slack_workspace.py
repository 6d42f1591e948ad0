"""A pretend Slack workspace: what the Web API and a webhook do to its channels, and what a person reads there."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from slack_sdk.errors import SlackObjectFormationError
from slackblocks import InvalidUsageError

from tests.support.slack import judge

TOKEN = "xoxb-s3cr3t-v4lue"
SONGS, ELSEWHERE, ARCHIVED, OTHER = "C0SONGS001", "C0AWAY0001", "C0OLD00001", "C0OTHER001"


@dataclass
class Said:
    """A message. `edits` counts how often it was edited, `files` are the ids of what was shared with it."""

    ts: str
    channel: str
    text: str
    blocks: list[dict[str, Any]]
    thread_ts: str | None = None
    files: list[str] = field(default_factory=list)
    edits: int = 0
    client_msg_id: str | None = None

    def shown(self) -> dict[str, Any]:
        return {"type": "message", "ts": self.ts, "text": self.text, "blocks": self.blocks}


@dataclass
class Upload:
    """A file; `sha256` is empty until its bytes have come."""

    name: str
    length: int
    key: str
    sha256: str = ""
    title: str = ""


class Refused(Exception):
    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **more}


@dataclass
class Workspace:
    """`refuse[method]` are answers that come first, in turn; `broken_pictures` can't be fetched by Slack."""

    url: str = ""
    scopes: set[str] = field(default_factory=lambda: {"chat:write", "files:write"})
    said: list[Said] = field(default_factory=list)
    files: dict[str, Upload] = field(default_factory=dict)
    refuse: dict[str, list[str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    broken_pictures: set[str] = field(default_factory=set)
    upload_url: Callable[[str], str] | None = None
    _count: int = 0

    def top(self, channel: str = SONGS) -> list[Said]:
        """The channel as a person reads it."""
        return [said for said in self.said if said.channel == channel and said.thread_ts is None]

    def replies(self, ts: str) -> list[Said]:
        return [said for said in self.said if said.thread_ts == ts]

    def delete(self, said: Said) -> None:
        self.said.remove(said)

    def call(self, method: str, token: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append(method)
        try:
            return {"ok": True, **self._method(method, token)(fields)}
        except Refused as refused:
            return refused.answer

    def _method(self, method: str, token: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        if token != TOKEN:
            raise Refused("invalid_auth" if token else "not_authed")
        if self.refuse.get(method):
            raise Refused(self.refuse[method].pop(0))
        methods: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "files.completeUploadExternal": self._share,
            "files.getUploadURLExternal": self._grant,
        }
        if method not in methods:
            raise Refused("unknown_method")
        return methods[method]

    def hook(self, message: Mapping[str, Any]) -> str:
        """What a webhook answers: ok, or a word."""
        try:
            self._checked(message)
        except Refused as refused:
            return str(refused.answer["error"])
        self._say(SONGS, message, None)
        return "ok"

    def receive(self, key: str, length: int, sha256: str) -> bool:
        """Bytes for an address that was given out; False where nobody waits for them."""
        waiting = [file for file in self.files.values() if file.key == key and not file.sha256]
        if not waiting or waiting[0].length != length:
            return False
        waiting[0].sha256 = sha256
        return True

    def _post(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        self._need("chat:write")
        channel = self._channel(fields.get("channel"), names=True)
        known = fields.get("client_msg_id")
        said = next((said for said in self.said if known and said.client_msg_id == known), None)
        if said is None:
            self._checked(fields)
            thread = fields.get("thread_ts")
            if thread and not any(said.ts == thread for said in self.top(channel)):
                raise Refused("thread_not_found")
            said = self._say(channel, fields, thread)
        return {"channel": channel, "ts": said.ts, "message": said.shown()}

    def _update(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        self._need("chat:write")
        channel = self._channel(fields.get("channel"), names=False)
        said = next((said for said in self.said if (said.channel, said.ts) == (channel, fields.get("ts"))), None)
        if said is None:
            raise Refused("message_not_found")
        self._checked(fields)
        said.text, said.blocks, said.edits = fields["text"], _parsed(fields.get("blocks")), said.edits + 1
        return {"channel": channel, "ts": said.ts, "text": said.text, "message": said.shown()}

    def _grant(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        self._need("files:write")
        length = str(fields.get("length", ""))
        if not fields.get("filename") or not length.isdecimal() or int(length) < 1:
            raise Refused("invalid_arguments")
        ident = f"F{len(self.files):09}"
        self.files[ident] = Upload(str(fields["filename"]), int(length), f"up10ad-{ident}")
        url = f"{self.url}/upload/v1/{self.files[ident].key}"
        return {"file_id": ident, "upload_url": self.upload_url(url) if self.upload_url else url}

    def _share(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        self._need("files:write")
        channel = self._channel(fields.get("channel_id"), names=False)
        listed = _parsed(fields.get("files"))
        if not listed or any(file["id"] not in self.files or not self.files[file["id"]].sha256 for file in listed):
            raise Refused("file_not_found")
        thread = fields.get("thread_ts")
        if thread and not any(said.ts == thread for said in self.top(channel)):
            raise Refused("thread_not_found")
        for file in listed:
            self.files[file["id"]].title = file.get("title", "")
        self._say(channel, {"text": ""}, thread).files += [file["id"] for file in listed]
        return {"files": [{"id": file["id"], "title": file.get("title", "")} for file in listed]}

    def _history(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        channel = self._channel(fields.get("channel"), names=False)
        return {"messages": [said.shown() for said in reversed(self.top(channel))]}

    def _replies(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        channel, ts = self._channel(fields.get("channel"), names=False), fields.get("ts")
        parent = [said for said in self.top(channel) if said.ts == ts]
        if not parent:
            raise Refused("thread_not_found")
        return {"messages": [said.shown() for said in (*parent, *self.replies(str(ts)))]}

    def _need(self, scope: str) -> None:
        if scope not in self.scopes:
            raise Refused("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    def _channel(self, name: Any, *, names: bool) -> str:
        known = {SONGS: "songs", ELSEWHERE: "elsewhere", ARCHIVED: "archived", OTHER: "other"}
        by_name = {f"#{word}": ident for ident, word in known.items()} if names else {}
        channel = by_name.get(name, name)
        if channel not in known:
            raise Refused("channel_not_found")
        if channel == ELSEWHERE:
            raise Refused("not_in_channel")
        if channel == ARCHIVED:
            raise Refused("is_archived")
        return str(channel)

    def _checked(self, fields: Mapping[str, Any]) -> None:
        blocks = _parsed(fields.get("blocks"))
        if not fields.get("text") and not blocks:
            raise Refused("no_text")
        if len(str(fields.get("text", ""))) > 40_000:
            raise Refused("msg_too_long")
        if any(block.get("accessory", {}).get("image_url") in self.broken_pictures for block in blocks):
            raise Refused("invalid_blocks")
        try:
            if blocks:
                judge({"text": fields["text"], "blocks": blocks})
        except (AssertionError, SlackObjectFormationError, InvalidUsageError, pytest.fail.Exception) as error:
            self.complaints.append(str(error))
            raise Refused("invalid_blocks") from None

    def _say(self, channel: str, fields: Mapping[str, Any], thread: str | None) -> Said:
        self._count += 1
        ts = f"{1_795_000_000 + self._count}.{self._count:06}"
        blocks = _parsed(fields.get("blocks"))
        said = Said(ts, channel, fields["text"], blocks, thread, client_msg_id=fields.get("client_msg_id"))
        self.said.append(said)
        return said


def _parsed(value: Any) -> list[dict[str, Any]]:
    read = json.loads(value) if isinstance(value, str) else value
    return list(read or ())

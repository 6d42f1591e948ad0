"""Slack's Web API: one call, and what Slack's answer means to a delivery."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from receiver.handler import Answer, Http, PermanentFailure, TargetFailure, TemporaryFailure, settle

# https://docs.slack.dev/reference/methods/chat.postMessage#errors; those that a later try may heal.
_AGAIN = frozenset(
    {
        "fatal_error",
        "internal_error",
        "message_limit_exceeded",
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
    }
)
_COPY_IT = "copy the bot token (xoxb-…) from the app's page OAuth & Permissions"
_INVITE = "invite the bot into the channel (/invite @its-name), or correct `channel`"
_FORBIDDEN = "the workspace forbids the bot to post there; ask its admin"
# Those that no other message would survive either, and what to do about them.
_BROKEN = {
    "access_denied": _FORBIDDEN,
    "account_inactive": f"the bot is gone; install the app again and {_COPY_IT}",
    "as_user_not_supported": f"the token is of an old kind; {_COPY_IT}",
    "channel_not_found": _INVITE,
    "ekm_access_denied": _FORBIDDEN,
    "enterprise_is_restricted": _FORBIDDEN,
    "invalid_auth": f"the token is wrong; {_COPY_IT}",
    "is_archived": "the channel is archived; bring it back, or write another `channel`",
    "method_deprecated": "Slack has switched off what this version asks for; update the receiver",
    "missing_scope": "add the scope {scope} to the app and install it again",
    "no_permission": "the token lacks a permission; add the scope {scope} to the app and install it again",
    "not_allowed_token_type": f"the token is of another kind; {_COPY_IT}",
    "not_authed": f"no token arrived; {_COPY_IT}",
    "not_in_channel": _INVITE,
    "org_login_required": "the workspace is being moved; wait, or ask its admin",
    "restricted_action": _FORBIDDEN,
    "restricted_action_non_threadable_channel": _FORBIDDEN,
    "restricted_action_read_only_channel": _FORBIDDEN,
    "restricted_action_thread_only_channel": _FORBIDDEN,
    "team_access_not_granted": "the app may not use this workspace; ask its admin",
    "token_expired": f"the token has run out; {_COPY_IT}",
    "token_revoked": f"the token was revoked; install the app again and {_COPY_IT}",
    "two_factor_setup_required": "the workspace wants a second factor for the bot's owner",
}
_WORD = re.compile(r"[a-z][a-z0-9_]{1,60}")
_SCOPE = re.compile(r"[a-z][a-z0-9:._-]{1,40}(, ?[a-z][a-z0-9:._-]{1,40}){0,4}")
# What Slack names of a message that it refuses: a place in it, never its text.
_POINTER = re.compile(r"json-pointer:(/[a-z0-9_/]{1,80})")


@dataclass(frozen=True, slots=True)
class Reply:
    """What Slack answered. `error` is its word for what is wrong, empty where it did what was asked."""

    error: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SlackApi:
    """The methods below `url`, with a bot's token. `timeout` holds for each call."""

    http: Http
    url: str
    token: SecretStr
    timeout: timedelta

    async def call(self, method: str, fields: Mapping[str, Any]) -> Reply:
        """A method that takes JSON. Raises TemporaryFailure, or what a status stands for that is not Slack's own."""
        return await self._ask(method, json=fields)

    async def submit(self, method: str, fields: Mapping[str, str]) -> Reply:
        """A method that takes a form. Raises the same."""
        return await self._ask(method, content=urlencode(fields).encode())

    async def _ask(self, method: str, *, json: Any = None, content: bytes | None = None) -> Reply:
        kind = "application/json" if content is None else "application/x-www-form-urlencoded"
        headers = {
            "authorization": f"Bearer {self.token.get_secret_value()}",
            "content-type": f"{kind}; charset=utf-8",
        }
        url = self.url + method
        return read_reply(
            await self.http.request("POST", url, headers=headers, json=json, content=content, timeout=self.timeout)
        )


def read_reply(answer: Answer) -> Reply:
    """Slack says no with a status of 200: its word counts, and the status only where there is none."""
    fields = _fields(answer)
    if answer.status == 200 and fields.get("ok") is True:
        return Reply("", fields)
    error = _match(_WORD, fields.get("error"))
    if error in _AGAIN:
        raise TemporaryFailure(f"Slack says {error}", retry_after=answer.retry_after)
    if error and (answer.status == 200 or 400 <= answer.status < 500) and answer.status != 429:
        return Reply(error, fields)
    # Of the body nothing: a proxy's page could repeat the token.
    settle(replace(answer, body=b""), "Slack")
    if fields.get("ok") is False:
        return Reply("an_unknown_error", fields)
    raise TemporaryFailure("what answers at api_url is not Slack: its answer is no JSON of Slack's")


def judge(reply: Reply, scope: str = "chat:write") -> Mapping[str, Any]:
    """The answer's fields where it is a success; raises TargetFailure or PermanentFailure."""
    if not reply.error:
        return reply.fields
    if remedy := _BROKEN.get(reply.error):
        needed = _match(_SCOPE, reply.fields.get("needed")) or scope
        raise TargetFailure(f"Slack says {reply.error}: {remedy.format(scope=needed)}")
    raise PermanentFailure(f"Slack refuses it: {reply.error}{_place(reply)}")


def _fields(answer: Answer) -> Mapping[str, Any]:
    try:
        read = answer.json()
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _match(pattern: re.Pattern[str], value: Any) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _place(reply: Reply) -> str:
    found = _POINTER.search(str(reply.fields.get("response_metadata", ""))[:2000])
    return f" at {found[1]}" if found else ""

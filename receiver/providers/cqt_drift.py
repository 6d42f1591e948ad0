"""What this version does not know in CQTAI's answers: names and words, never values that could be long or secret."""

import re
from collections.abc import Iterator
from typing import Any

from receiver.errors import Unrecognised
from receiver.providers.body import load, text
from receiver.providers.cqt_results import STAGES, TASK_FIELDS

_TELLABLE = re.compile(r"[A-Za-z0-9_ -]{1,40}")
# In no page; three clients expect them.
_PENDING = frozenset({"queued", "processing", "pending", "running", "streaming", "submitted"})
# https://www.cqtai.com/docs/suno/gen-stem-all and the export of the earlier docs
_CLIP_FIELDS = frozenset(
    {
        "id",
        "title",
        "handle",
        "status",
        "user_id",
        "explicit",
        "has_hook",
        "is_liked",
        "metadata",
        "audio_url",
        "image_url",
        "is_public",
        "video_url",
        "created_at",
        "flag_count",
        "is_trashed",
        "model_name",
        "play_count",
        "batch_index",
        "entity_type",
        "display_name",
        "upvote_count",
        "comment_count",
        "allow_comments",
        "image_large_url",
        "is_contest_clip",
        "avatar_image_url",
        "is_handle_updated",
        "major_model_version",
    }
)


def unknown_fields(body: bytes) -> tuple[str, ...]:
    """`data.new_field`, `data.status=almost`, `data.result[].new_field`; nothing where the body can't be read."""
    try:
        value = load(body)
    except Unrecognised:
        return ()
    return tuple(sorted(set(_unknown(value)))) if isinstance(value, dict) else ()


def _unknown(value: dict[str, Any]) -> Iterator[str]:
    yield from _names(value, frozenset({"code", "msg", "data"}), "")
    data = value.get("data")
    if not isinstance(data, dict):
        return
    yield from _names(data, TASK_FIELDS, "data.")
    yield from _word(data.get("status"), "data.status")
    result = data.get("result")
    for item in result if isinstance(result, list) else ():
        if isinstance(item, dict) and "audio_url" in item:
            yield from _names(item, _CLIP_FIELDS, "data.result[].")
            yield from _word(item.get("status"), "data.result[].status")


def _names(value: dict[str, Any], known: frozenset[str], place: str) -> Iterator[str]:
    return (f"{place}{name}" for name in value if name not in known and _TELLABLE.fullmatch(name))


def _word(value: Any, place: str) -> Iterator[str]:
    word = (text(value) or "").strip().lower()
    if word and word not in STAGES and word not in _PENDING:
        yield f"{place}={word}" if _TELLABLE.fullmatch(word) else place

"""What can be asked for: one table for both APIs of the family, whose paths are the same.

https://docs.sunoapi.org/llms.txt and https://docs.kie.ai/old-model/suno-api/
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from receiver.events import Kind
from receiver.providers.base import Operation
from receiver.results import ANY_FILE

_SOON = timedelta(minutes=2)
_LATER = timedelta(minutes=5)


def _music(name: str, path: str) -> Operation:
    return Operation(name=name, kind=Kind.MUSIC, path=path, record="/api/v1/generate/record-info", main_role="audio")


def _made(name: str, kind: Kind, path: str, role: str | None, deadline: timedelta) -> Operation:
    """Its record lies beside its path: /api/v1/wav/generate, /api/v1/wav/record-info."""
    record = path.removesuffix("/generate") + "/record-info"
    return Operation(name=name, kind=kind, path=path, record=record, main_role=role, deadline=deadline)


def _phrase(name: str, path: str, field: str) -> Operation:
    return Operation(
        name=name,
        kind=Kind.VOICE_PHRASE,
        path=path,
        callback_field=field,
        record="/api/v1/voice/validate-info",
        deadline=_SOON,
    )


def _instant(name: str, kind: Kind, path: str) -> Operation:
    return Operation(name=name, kind=kind, path=path, callback_field=None, instant=True)


# Some pages call the callback URL of several of these optional; without one the API refuses them too.
OPERATIONS = (
    _music("generate", "/api/v1/generate"),
    _music("extend", "/api/v1/generate/extend"),
    _music("upload_cover", "/api/v1/generate/upload-cover"),
    _music("upload_extend", "/api/v1/generate/upload-extend"),
    _music("add_instrumental", "/api/v1/generate/add-instrumental"),
    _music("add_vocals", "/api/v1/generate/add-vocals"),
    _music("replace_section", "/api/v1/generate/replace-section"),
    _music("mashup", "/api/v1/generate/mashup"),
    _music("sounds", "/api/v1/generate/sounds"),
    _made("lyrics", Kind.LYRICS, "/api/v1/lyrics", None, _SOON),
    _instant("timestamped_lyrics", Kind.TIMESTAMPS, "/api/v1/generate/get-timestamped-lyrics"),
    _made("wav", Kind.WAV, "/api/v1/wav/generate", "wav", _SOON),
    _made("stems", Kind.STEMS, "/api/v1/vocal-removal/generate", ANY_FILE, _LATER),
    _made("midi", Kind.MIDI, "/api/v1/midi/generate", None, _LATER),
    _made("mp4", Kind.VIDEO, "/api/v1/mp4/generate", "video", _LATER),
    _made("cover_image", Kind.COVER_IMAGE, "/api/v1/suno/cover/generate", "image", _SOON),
    _instant("persona", Kind.PERSONA, "/api/v1/generate/generate-persona"),
    _instant("style_boost", Kind.STYLE, "/api/v1/style/generate"),
    _phrase("voice_phrase", "/api/v1/voice/validate", "callBackUrl"),
    # So it is spelled there: https://docs.sunoapi.org/suno-api/suno-voice-regenerate
    _phrase("voice_phrase_regenerate", "/api/v1/voice/regenerate", "calBackUrl"),
    _made("voice", Kind.VOICE, "/api/v1/voice/generate", None, _SOON),
    replace(
        _made("recovery", Kind.RECOVERY, "/api/v1/suno/recovery", "audio", _LATER),
        # https://docs.sunoapi.org/suno-api/get-suno-recovery-details
        id_parameter="task_id",
    ),
)

# https://docs.sunoapi.org/file-upload-api/quickstart; what is uploaded is no submission.
UPLOADS = frozenset({"/api/file-base64-upload", "/api/file-stream-upload", "/api/file-url-upload"})


def named(rows: Iterable[Operation]) -> dict[str, Operation]:
    return {row.name: row for row in rows}

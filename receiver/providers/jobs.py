"""kie's unified jobs: one path for every model, a JSON text for the result. A job is the operation of its model.

https://docs.kie.ai/market/common/get-task-detail
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from receiver.errors import Unrecognised
from receiver.events import File, Kind, Result, Stage
from receiver.providers.base import Operation
from receiver.providers.body import address, load, text
from receiver.providers.kinds import READERS, kind_of
from receiver.providers.operations import OPERATIONS, named
from receiver.providers.reading import WORDS, Reading

CREATE = "/api/v1/jobs/createTask"
RECORD = "/api/v1/jobs/recordInfo"
PREFIX = "ai-music-api/"

# The names of the models behind the prefix, and our operations; check-voice makes nothing.
MODELS: Mapping[str, str | None] = {
    "add-instrumental": "add_instrumental",
    "add-vocals": "add_vocals",
    "boost-music-style": "style_boost",
    "check-voice": None,
    "convert-to-wav-format": "wav",
    "cover-generate": "cover_image",
    "create-music-video": "mp4",
    "create-voice": "voice",
    "extend": "extend",
    "generate": "generate",
    "generate-lyrics": "lyrics",
    "generate-midi-from-audio": "midi",
    "generate-persona": "persona",
    "mashup": "mashup",
    "regenerate-phrase": "voice_phrase_regenerate",
    "replace-section": "replace_section",
    "separate-vocals": "stems",
    "sounds": "sounds",
    "suno-recovery-audio": "recovery",
    "timeStamped-lyrics": "timestamped_lyrics",
    "upload-and-cover-audio": "upload_cover",
    "upload-and-extend-audio": "upload_extend",
    "validation-phrase": "voice_phrase",
}
_ROWS = named(OPERATIONS)
_URL_ROLES = {Kind.WAV: "wav", Kind.VIDEO: "video", Kind.COVER_IMAGE: "image"}


def _job(row: Operation) -> Operation:
    """The row as a job: our URL stands beside the model, the answer is a task's id or, seen for some, the result."""
    return replace(row, path=CREATE, callback_field="callBackUrl", instant=False, record=RECORD, id_parameter="taskId")


_JOBS = {model: _job(_ROWS[name]) for model, name in MODELS.items() if name}
_OTHER_JOB = _job(Operation(name="other", kind=Kind.OTHER, path=CREATE))


def find_job(body: bytes) -> Operation | None:
    """The operation of the model that the request names; None where it names none, or one that makes nothing."""
    model = text(read_object(body).get("model"))
    if model is None:
        return None
    short = model.removeprefix(PREFIX)
    return _JOBS.get(short, None if short in MODELS else _OTHER_JOB)


def model_of(operation: str) -> str | None:
    """The name of the model that this operation has as a job."""
    return next((PREFIX + model for model, name in MODELS.items() if name == operation), None)


def read_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object in a body; empty where there is none."""
    try:
        value = load(body)
    except Unrecognised:
        return {}
    return value if isinstance(value, dict) else {}


def is_job(data: Mapping[str, Any]) -> bool:
    return "resultJson" in data or ("state" in data and "model" in data)


def parsed_result(held: Any) -> Mapping[str, Any]:
    """What the text in `resultJson` holds; a bare list is taken for the data that songs come in."""
    try:
        value = load(held.encode("utf-8", "replace")) if isinstance(held, str) else held
    except Unrecognised:
        return {}
    return value if isinstance(value, dict) else {"data": value} if isinstance(value, list) else {}


def job_result(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result, with what lies in an object of its own spread beside the rest."""
    found = parsed_result(data.get("resultJson"))
    inner = found.get("resultObject")
    return {**found, **inner} if isinstance(inner, dict) else found


def job_kind(kind: Kind, data: Mapping[str, Any]) -> Kind:
    """What comes out of a job: its model says it, else the operation that was asked for."""
    short = (text(data.get("model")) or "").removeprefix(PREFIX)
    return _JOBS[short].kind if short in _JOBS else kind


def read_job(kind: Kind, data: Mapping[str, Any]) -> Reading:
    """The stage is the job's own; a result that says it failed is believed."""
    word = text(data.get("state"))
    found = job_result(data)
    inner = _read_result(job_kind(kind, data), found) if found else Reading(stage=None)
    stage = WORDS.get(word.lower()) if word else inner.stage
    if stage is Stage.COMPLETE and inner.stage is Stage.FAILED:
        return inner
    return Reading(stage=stage, word=word, results=inner.results, detail=text(data.get("failMsg")))


def _read_result(kind: Kind, found: Mapping[str, Any]) -> Reading:
    urls = found.get("resultUrls")
    if isinstance(urls, list):
        links = [url for item in urls if (url := address(item))]
        return Reading(stage=Stage.COMPLETE, results=_linked(kind, links))
    return READERS[kind_of(kind, found)](found)


def _linked(kind: Kind, links: list[str]) -> tuple[Result, ...]:
    """Bare addresses: what they lead to only the kind tells. Each track or image is a result, all else is one."""
    if kind in (Kind.MUSIC, Kind.RECOVERY, Kind.COVER_IMAGE):
        role = _URL_ROLES.get(kind, "audio")
        return tuple(Result(id=str(place), files=(File(role, url),)) for place, url in enumerate(links, 1))
    roles = [_URL_ROLES.get(kind, "file") + (f"_{place}" if place > 1 else "") for place in range(1, len(links) + 1)]
    files = tuple(File(role, url) for role, url in zip(roles, links, strict=True))
    return (Result(id="1", files=files),) if files else ()

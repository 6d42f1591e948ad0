"""The fields that are documented or were seen, by kind: what a body holds besides is news.

https://docs.sunoapi.org/llms.txt, https://docs.kie.ai/old-model/suno-api/, https://docs.kie.ai/market/common/get-task-detail
"""

from collections.abc import Mapping
from typing import Any

from receiver.events import Kind
from receiver.providers.spelling import camel

# Names of fields, and what is known inside; None where nothing inside is looked at.
Known = Mapping[str, Any]


def _fields(names: str = "", **inner: Known) -> dict[str, Any]:
    return {**dict.fromkeys(names.split()), **inner}


_SONG = _fields(
    "id audio_url source_audio_url stream_audio_url source_stream_audio_url image_url source_image_url"
    " prompt model_name title tags createTime duration"
)
_EITHER_SONG = {**_SONG, **camel(_SONG)}
_LYRIC = _fields("text title status errorMessage error_message")
_PART = _fields("id stem_type_group_name audio_url duration")
_STEMS = _fields(
    "origin_url instrumental_url vocal_url backing_vocals_url bass_url brass_url drums_url fx_url guitar_url"
    " keyboard_url percussion_url piano_url strings_url synth_url woodwinds_url",
    origin_data=_fields("id stem_type_group_name audio_url duration", extract=_PART, remove=_PART),
)
_INSTRUMENTS = _fields("name", notes=_fields("pitch start end velocity"))
_ERROR = "taskId errorCode errorMessage createTime "
_RECORD = _ERROR + "callbackUrl completeTime successFlag musicId musicIndex "
_RECOVERED = _fields("id audio_url title status error")
_WORD = _fields("word success startS endS palign")

ENVELOPE = _fields("code msg task_id taskId")
JOB = _fields(
    "taskId model state param failCode failMsg costTime completeTime createTime updateTime creditsConsumed"
    " consumeCredits remainedCredits"
)
CALLBACKS: Mapping[Kind, Known] = {
    Kind.MUSIC: _fields("callbackType task_id taskId error", data=_EITHER_SONG),
    Kind.LYRICS: _fields("callbackType task_id taskId", data=_LYRIC),
    Kind.WAV: _fields("audioWavUrl audio_wav_url task_id"),
    Kind.STEMS: _fields("task_id", vocal_removal_info=_STEMS, vocal_separation_info=_STEMS),
    Kind.MIDI: _fields("taskId task_id state", instruments=_INSTRUMENTS),
    Kind.VIDEO: _fields("task_id video_url"),
    Kind.COVER_IMAGE: _fields("taskId images"),
    Kind.VOICE_PHRASE: _fields("taskId validateInfo status errorCode errorMessage"),
    Kind.VOICE: _fields("taskId voiceId status errorCode errorMessage"),
    Kind.RECOVERY: _RECOVERED,
    Kind.TIMESTAMPS: _fields("taskId waveformData hootCer isStreamed", alignedWords=_WORD),
    Kind.PERSONA: _fields("taskId personaId name description"),
    Kind.STYLE: _fields(
        "taskId param result creditsConsumed creditsRemaining successFlag errorCode errorMessage createTime"
    ),
}
# What records have beside or in place of it.
RECORDS: Mapping[Kind, Known] = {
    Kind.MUSIC: _fields(
        _ERROR + "parentMusicId param status type operationType",
        response=_fields("taskId", sunoData=_EITHER_SONG, data=_EITHER_SONG),
    ),
    Kind.LYRICS: _fields(_ERROR + "param status type", response=_fields("taskId", data=_LYRIC)),
    Kind.WAV: _fields(_RECORD, response=_fields("audioWavUrl")),
    Kind.STEMS: _fields(_RECORD, response={**_STEMS, **camel(_STEMS)}),
    Kind.VIDEO: _fields(_RECORD, response=_fields("videoUrl")),
    Kind.MIDI: _fields(_RECORD + "recordTaskId audioId", midiData=_fields("state", instruments=_INSTRUMENTS)),
    Kind.COVER_IMAGE: _fields(_RECORD + "parentTaskId", response=_fields("images")),
}
# What the result of a job holds.
RESULTS: Mapping[Kind, Known] = {
    kind: {
        **known,
        **_fields("resultUrls", resultObject={**known, "lyricsData": _LYRIC}),
        "data": _RECOVERED if kind is Kind.RECOVERY else known.get("data", _EITHER_SONG),
    }
    for kind, known in CALLBACKS.items()
}

"""What is no file: lyrics, the phrase to sing, a voice, aligned words, a persona, a style."""

from collections.abc import Mapping
from typing import Any

from receiver.events import Result, Stage
from receiver.providers.body import real, text
from receiver.providers.reading import WORDS, Reading, Words, first_list, spread, stage_of, word_of
from receiver.tokens import redact_tokens

# https://docs.sunoapi.org/suno-api/suno-voice-validate-callbacks: the phrase is there, and the person has to sing it.
PHRASE_WORDS: Words = {
    **WORDS,
    "wait_processing": None,
    "processing_validate": None,
    "processing_validate_fail": Stage.FAILED,
    "wait_validating": Stage.COMPLETE,
}
VOICE_WORDS: Words = {**PHRASE_WORDS, "wait_validating": None}

_LYRICS = ("data", "lyricsData")


def read_lyrics(data: Mapping[str, Any]) -> Reading:
    """One result for each variant, those that failed too: https://docs.sunoapi.org/suno-api/generate-lyrics-callbacks"""
    items = [item for item in lyric_items(data) if isinstance(item, dict)]
    results = tuple(_variant(item, place) for place, item in enumerate(items, 1))
    failed = [result for result in results if result.lyrics is None and result.data]
    word = word_of(data)
    stage = stage_of(word, WORDS, results, whole=True)
    if word is None and results:
        stage = Stage.COMPLETE
    if stage is Stage.COMPLETE and failed and len(failed) == len(results):
        return Reading(stage=Stage.FAILED, word="failed", results=results, detail=text(failed[0].data["error"]))
    return Reading(stage=stage, word=word, results=results)


def lyric_items(data: Mapping[str, Any]) -> list[Any]:
    response = data.get("response")
    held = response if isinstance(response, dict) else {}
    return first_list(data, *_LYRICS) or first_list(held, *_LYRICS)


def read_phrase(data: Mapping[str, Any]) -> Reading:
    phrase = text(spread(data).get("validateInfo"))
    return _read_words(data, {"phrase": phrase} if phrase else None, PHRASE_WORDS)


def read_voice(data: Mapping[str, Any]) -> Reading:
    voice_id = text(spread(data).get("voiceId"))
    return _read_words(data, {"voice_id": voice_id} if voice_id else None, VOICE_WORDS)


def read_timestamps(data: Mapping[str, Any]) -> Reading:
    """https://docs.sunoapi.org/suno-api/get-timestamped-lyrics; an instrumental track has no words."""
    if not isinstance(data.get("alignedWords"), list):
        return Reading(stage=None)
    found = {
        "words": [word for item in data["alignedWords"] if isinstance(item, dict) and (word := _aligned(item))],
        "waveform": [level for item in first_list(data, "waveformData") if (level := real(item)) is not None],
        "hoot_cer": real(data.get("hootCer")),
        "streamed": data.get("isStreamed") is True,
    }
    return Reading(stage=Stage.COMPLETE, results=(Result(id="1", data=found),))


def read_persona(data: Mapping[str, Any]) -> Reading:
    """https://docs.sunoapi.org/suno-api/generate-persona"""
    persona_id = text(data.get("personaId")) or text(data.get("persona_id"))
    if persona_id is None:
        return Reading(stage=None)
    found = {
        "persona_id": persona_id,
        "name": text(data.get("name")),
        "description": text(data.get("description")),
    }
    return Reading(stage=Stage.COMPLETE, results=(Result(id="1", data=found),))


def read_style(data: Mapping[str, Any]) -> Reading:
    """https://docs.sunoapi.org/suno-api/boost-music-style, which does not say what its flag means."""
    style = text(data.get("result"))
    if style is not None:
        return Reading(stage=Stage.COMPLETE, results=(Result(id="1", data={"style": style}),))
    detail = text(data.get("errorMessage"))
    return Reading(stage=Stage.FAILED if detail else None, word="failed" if detail else None, detail=detail)


def _variant(item: dict[str, Any], place: int) -> Result:
    lyrics = text(item.get("text"))
    error = redact_tokens(text(item.get("errorMessage")) or text(item.get("error_message")) or "")
    failed = WORDS.get((text(item.get("status")) or "").lower()) is Stage.FAILED
    data = {"error": error} if error or failed else None
    return Result(id=str(place), title=text(item.get("title")), lyrics=lyrics, data=data)


def _read_words(data: Mapping[str, Any], found: dict[str, str] | None, words: Words) -> Reading:
    results = (Result(id="1", data=found),) if found else ()
    word = word_of(data)
    stage = stage_of(word, words, results, whole=True)
    if word is None and results:
        stage = Stage.COMPLETE
    return Reading(stage=stage, word=word, results=results)


def _aligned(item: dict[str, Any]) -> dict[str, Any] | None:
    start, end = real(item.get("startS")), real(item.get("endS"))
    word = item.get("word")
    if not isinstance(word, str) or start is None or end is None:
        return None
    return {"word": word, "start": start, "end": end}

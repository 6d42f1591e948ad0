from dataclasses import replace
from datetime import UTC, datetime

from receiver.events import Event, Failure, File, Kind, Result, Stage, Submission
from receiver.shapes import event_json, json_bytes, submission_json, timestamp

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_event_looks_as_the_contract_says() -> None:
    track = Result(
        id="r1",
        title="Night Ferry",
        duration=198.44,
        files=(
            File("audio", "https://a/1", ("https://b/1",), "audio/mpeg"),
            File("image", "https://a/2"),
        ),
    )
    event = Event(
        id="evt_1",
        type="music.complete",
        occurred_at=NOW,
        received_at=NOW,
        results=(track,),
        error=Failure(code="531", message="no"),
        raw={"code": 200},
    )

    shape = event_json(event)

    assert " ".join(shape) == (
        "id type level operation stage partial provider task_id submission_id client labels occurred_at "
        "received_at via trust results error raw"
    )
    assert shape["occurred_at"] == "2026-11-21T12:00:00.000Z"
    assert " ".join(shape["results"][0]) == "id title duration tags lyrics model data files"
    assert shape["results"][0]["files"] == [
        {"role": "audio", "url": "https://a/1", "alternates": ["https://b/1"], "media_type": "audio/mpeg"},
        {"role": "image", "url": "https://a/2"},
    ]
    assert " ".join(shape["error"]) == "code message meaning advice retryable refunded"


def test_submission_looks_as_the_contract_says() -> None:
    submission = Submission(
        id="sub_1",
        provider="suno",
        operation="generate",
        kind=Kind.MUSIC,
        stage=Stage.COMPLETE,
        created_at=NOW,
        labels={"project": "podcast"},
        results=(Result(id="r1"),),
    )

    shape = submission_json(submission)

    assert " ".join(shape) == (
        "id task_id parent provider operation kind client labels title stage created_at deadline_at results error"
    )
    assert (shape["kind"], shape["stage"], shape["deadline_at"]) == ("music", "complete", None)
    assert shape["results"][0]["files"] == []


def test_times_are_utc_with_z() -> None:
    abroad = datetime.fromisoformat("2026-11-21T14:00:00.123456+02:00")

    assert timestamp(abroad) == "2026-11-21T12:00:00.123Z"


def test_json_is_readable_whatever_a_provider_sent() -> None:
    odd = {"a": [float("nan"), float("-inf"), 1.5], "b": ("\ud83d", "</script>", "é")}

    assert json_bytes(odd) == b'{"a":[null,null,1.5],"b":["\\ud83d","</script>","\\u00e9"]}'


def test_a_standing_url_says_so() -> None:
    submission = Submission(
        id="sub_1", provider="suno", operation="generate", kind=Kind.MUSIC, stage=Stage.ACCEPTED, created_at=NOW
    )
    assert "standing" not in submission_json(submission)
    assert submission_json(replace(submission, standing=True))["standing"] is True

import json

import pytest
from pydantic import SecretStr

from receiver.events import File, Kind, Stage
from receiver.providers.base import Operation
from receiver.providers.sunoapi import SunoApi

SUNO = SunoApi(type="sunoapi", api_key=SecretStr("key"))
TOKEN = "x" * 43
OURS = f"https://me.example/callbacks/{TOKEN}"
OTHER = Operation(name="other", kind=Kind.OTHER, path="/api/v1/brand-new")


@pytest.mark.parametrize(
    ("body", "stage", "count"),
    [
        ('{"code":200,"data":{"task_id":"t","video_url":"https://x.example/a.mp4","frames":3}}', Stage.COMPLETE, 1),
        ('{"code":200,"data":[{"id":"a","audio_url":"https://x.example/a.m4a"},{"id":"b"}]}', Stage.COMPLETE, 2),
        ('{"code":200,"data":{"callbackType":"text","data":[]}}', Stage.TEXT, 0),
        ('{"code":200,"data":{"callbackType":"complete","data":[]}}', Stage.COMPLETE, 1),
        ('{"code":200,"data":{"taskId":"t","status":"fail"}}', Stage.FAILED, 0),
        ('{"code":500,"data":{"task_id":"t","video_url":null}}', Stage.FAILED, 0),
        ('{"code":200,"data":null}', None, 0),
    ],
    ids=["lump", "list", "text", "complete", "fail", "code", "nothing"],
)
def test_unknown_operation_is_passed_on_as_it_came(body: str, stage: Stage | None, count: int) -> None:
    report = SUNO.parse_callback(OTHER, {}, body.encode())
    assert (report.stage, len(report.results)) == (stage, count)


def test_unknown_result_keeps_its_data_and_its_files() -> None:
    body = b'{"code":200,"data":{"task_id":"t","video_url":"https://x.example/a.mp4","frames":3}}'
    (result,) = SUNO.parse_callback(OTHER, {}, body).results
    assert result.data == {"task_id": "t", "frames": 3}
    assert result.files == (File("video", "https://x.example/a.mp4"),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("callbackUrl", OURS), ("callBackUrl", "https://app.example/hook"), ("callback_url", "https://app.example/hook"),
        ("calBackUrl", "https://app.example/hook"), ("notify", OURS), ("notify", f" {OURS}\n"),
    ],
    ids=range(6),
)  # fmt: skip
def test_callback_url_is_no_file_and_no_data(name: str, value: str) -> None:
    body = {"code": 200, "data": {name: value, "video_url": "https://x.example/a.mp4", "frames": 3}}
    (result,) = SUNO.parse_callback(OTHER, {}, json.dumps(body).encode()).results
    assert result.files == (File("video", "https://x.example/a.mp4"),)
    assert result.data == {"frames": 3}


def test_token_deep_in_the_data_is_redacted() -> None:
    data = {"param": json.dumps({"callBackUrl": OURS}), "request": [{"url": OURS, "n": 1.5}], "callbackUrls": None}
    (result,) = SUNO.parse_callback(OTHER, {}, json.dumps({"code": 200, "data": data}).encode()).results
    redacted = OURS.replace(TOKEN, "[redacted]")
    assert result.data == {
        "param": json.dumps({"callBackUrl": redacted}),
        "request": [{"url": redacted, "n": 1.5}],
        "callbackUrls": None,
    }

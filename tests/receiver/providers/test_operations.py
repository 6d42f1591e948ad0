import json
from datetime import timedelta

import pytest

from receiver.events import Kind, Stage, Submission, utc_now
from receiver.providers import provider_class
from receiver.providers.base import Operation, Provider, Request
from receiver.results import ANY_FILE

PROVIDERS: dict[str, Provider] = {
    name: provider_class(name).model_validate({"type": name, "api_key": "k"}) for name in ("sunoapi", "kie")
}
every_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
MUSIC = "/api/v1/generate/record-info"
# As the pages of both list them: name, path, callback field, record, main file, minutes.
ROWS = [
    ("generate", "/api/v1/generate", "callBackUrl", MUSIC, "audio", 5),
    ("extend", "/api/v1/generate/extend", "callBackUrl", MUSIC, "audio", 5),
    ("upload_cover", "/api/v1/generate/upload-cover", "callBackUrl", MUSIC, "audio", 5),
    ("upload_extend", "/api/v1/generate/upload-extend", "callBackUrl", MUSIC, "audio", 5),
    ("add_instrumental", "/api/v1/generate/add-instrumental", "callBackUrl", MUSIC, "audio", 5),
    ("add_vocals", "/api/v1/generate/add-vocals", "callBackUrl", MUSIC, "audio", 5),
    ("replace_section", "/api/v1/generate/replace-section", "callBackUrl", MUSIC, "audio", 5),
    ("mashup", "/api/v1/generate/mashup", "callBackUrl", MUSIC, "audio", 5),
    ("sounds", "/api/v1/generate/sounds", "callBackUrl", MUSIC, "audio", 5),
    ("lyrics", "/api/v1/lyrics", "callBackUrl", "/api/v1/lyrics/record-info", None, 2),
    ("timestamped_lyrics", "/api/v1/generate/get-timestamped-lyrics", None, None, None, 5),
    ("wav", "/api/v1/wav/generate", "callBackUrl", "/api/v1/wav/record-info", "wav", 2),
    ("stems", "/api/v1/vocal-removal/generate", "callBackUrl", "/api/v1/vocal-removal/record-info", ANY_FILE, 5),
    ("midi", "/api/v1/midi/generate", "callBackUrl", "/api/v1/midi/record-info", None, 5),
    ("mp4", "/api/v1/mp4/generate", "callBackUrl", "/api/v1/mp4/record-info", "video", 5),
    ("cover_image", "/api/v1/suno/cover/generate", "callBackUrl", "/api/v1/suno/cover/record-info", "image", 2),
    ("persona", "/api/v1/generate/generate-persona", None, None, None, 5),
    ("style_boost", "/api/v1/style/generate", None, None, None, 5),
    ("voice_phrase", "/api/v1/voice/validate", "callBackUrl", "/api/v1/voice/validate-info", None, 2),
    ("voice_phrase_regenerate", "/api/v1/voice/regenerate", "calBackUrl", "/api/v1/voice/validate-info", None, 2),
    ("voice", "/api/v1/voice/generate", "callBackUrl", "/api/v1/voice/record-info", None, 2),
    ("recovery", "/api/v1/suno/recovery", "callBackUrl", "/api/v1/suno/recovery/record-info", "audio", 5),
]
KINDS = {
    "timestamped_lyrics": Kind.TIMESTAMPS,
    "mp4": Kind.VIDEO,
    "style_boost": Kind.STYLE,
    "voice_phrase_regenerate": Kind.VOICE_PHRASE,
}
INSTANT = {"timestamped_lyrics", "persona", "style_boost"}


def kind(name: str, record: str | None) -> Kind:
    return KINDS.get(name) or (Kind.MUSIC if record == MUSIC else Kind(name))


@every_provider
def test_operation_table_holds_the_documented_operations(provider: Provider) -> None:
    assert list(provider.operations) == [
        Operation(
            name=name,
            kind=kind(name, record),
            path=path,
            method="POST",
            callback_field=field,
            instant=name in INSTANT,
            record=record,
            id_parameter="task_id" if name == "recovery" else "taskId",
            main_role=role,
            deadline=timedelta(minutes=minutes),
        )
        for name, path, field, record, role, minutes in ROWS
    ]


NOTHING = [
    ("GET", "/api/v1/generate/credit"),
    ("GET", "/api/v1/chat/credit"),
    ("POST", "/api/v1/voice/check-voice"),
    ("POST", "/api/v1/common/download-url"),
    ("POST", "/api/file-base64-upload"),
    ("POST", "/api/file-stream-upload"),
    ("POST", "/api/file-url-upload"),
    ("GET", MUSIC),
]


@every_provider
@pytest.mark.parametrize(("method", "path"), NOTHING)
def test_what_makes_nothing_passes_untouched(provider: Provider, method: str, path: str) -> None:
    assert provider.find(Request(method=method, path=path, body=b'{"taskId": "t"}')) is None
    assert provider.takes_uploads(path) == path.startswith("/api/file-")


@every_provider
def test_upload_path_is_known_with_a_slash_and_a_query(provider: Provider) -> None:
    assert provider.takes_uploads("/api/file-stream-upload/?name=a.mp3")
    assert not provider.takes_uploads("/api/file-stream-upload/more")


@every_provider
def test_misspelt_callback_field_is_set_as_it_is_documented(provider: Provider) -> None:
    request = Request(method="POST", path="/api/v1/voice/regenerate", body=b'{"taskId": "t"}')
    operation = provider.find(request)
    assert operation is not None
    prepared = provider.prepare(request, operation, "https://r.example/c")
    assert json.loads(prepared.body) == {"taskId": "t", "calBackUrl": "https://r.example/c"}
    assert provider.client_callback(prepared, operation) == "https://r.example/c"


def test_recovery_is_asked_for_under_its_own_parameter() -> None:
    suno = PROVIDERS["sunoapi"]
    submission = Submission(
        id="sub_1",
        provider="suno",
        operation="recovery",
        kind=Kind.RECOVERY,
        stage=Stage.ACCEPTED,
        created_at=utc_now(),
        task_id="t/1",
    )
    assert suno.status_request(submission) == Request(
        method="GET", path="/api/v1/suno/recovery/record-info?task_id=t%2F1"
    )


@every_provider
@pytest.mark.parametrize(
    ("method", "path", "task_id"),
    [
        *(("GET", f"{record}?{'task_id' if name == 'recovery' else 'taskId'}=a%2F1", "a/1")
          for name, _, _, record, _, _ in ROWS if record),
        ("GET", f"{MUSIC}/?fresh=1&taskId=a", "a"),
        ("GET", f"{MUSIC}?taskId=a&taskId=b", "b"),
        ("GET", f"{MUSIC}?task_id=a", None),
        ("GET", f"{MUSIC}?taskId=", None),
        ("GET", MUSIC, None),
        ("POST", f"{MUSIC}?taskId=a", None),
        ("GET", "/api/v1/generate/credit?taskId=a", None),
        ("GET", "/api/v1/suno/recovery/record-info?taskId=a", None),
    ],
)  # fmt: skip
def test_clients_status_call_names_its_task(provider: Provider, method: str, path: str, task_id: str | None) -> None:
    assert provider.asked_task(Request(method=method, path=path)) == task_id


MADE_FROM = [
    "wav", "stems", "midi", "mp4", "cover_image", "persona", "timestamped_lyrics", "replace_section",
    "voice_phrase_regenerate", "voice",
]  # fmt: skip


@every_provider
@pytest.mark.parametrize("name", MADE_FROM)
def test_parent_is_the_task_that_it_is_made_from(provider: Provider, name: str) -> None:
    operation = provider.operation(name)
    asked = Request(method="POST", path=operation.path, body=b'{"taskId": "parent-1", "audioId": "a"}')
    assert provider.parent(asked, operation) == "parent-1"


@every_provider
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"taskId": ""}', b'{"taskId": ["x"]}', b'{"audioId": "a"}'])
def test_request_without_a_task_has_no_parent(provider: Provider, body: bytes) -> None:
    for operation in provider.operations:
        assert provider.parent(Request(method="POST", path=operation.path, body=body), operation) is None

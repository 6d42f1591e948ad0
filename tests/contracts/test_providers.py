"""What every provider adapter keeps to: every type, with all its operations, over all its samples."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.errors import Unrecognised
from receiver.events import FAILURE, RESULTS, Kind, Stage, Submission, utc_now
from receiver.providers import TYPES
from receiver.providers.base import Operation, Provider, Reply, Request
from receiver.stages import Report
from tests.support.provider_makers import ask, make_provider
from tests.support.provider_samples import Sample, load_samples

API_KEY = "key-that-nobody-may-see"
URL = "https://receiver.example/callbacks/abc"
TOKEN = "t" * 43
STAGES = {None, Stage.TEXT, Stage.FIRST, Stage.COMPLETE, Stage.FAILED}

PROVIDERS: dict[str, Provider] = {name: make_provider(name, API_KEY) for name in TYPES}
SAMPLES = {name: load_samples(name) for name in TYPES}
OTHER = Operation(name="other", kind=Kind.OTHER, path="/api/v1/brand-new")
OPERATIONS = [
    pytest.param(provider, operation, id=f"{name}-{operation.name}")
    for name, provider in PROVIDERS.items()
    for operation in (*provider.rows(), OTHER)
]
KNOWN_OPERATIONS = [param for param in OPERATIONS if param.values[1] is not OTHER]

every_provider = pytest.mark.parametrize("provider", [pytest.param(one, id=name) for name, one in PROVIDERS.items()])
every_operation = pytest.mark.parametrize(("provider", "operation"), OPERATIONS)
every_known_operation = pytest.mark.parametrize(("provider", "operation"), KNOWN_OPERATIONS)

Values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def each_sample(what: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("provider", "operation", "sample"),
        [
            pytest.param(provider, operation, sample, id=f"{name}-{operation.name}-{sample.name}")
            for name, provider in PROVIDERS.items()
            for operation in provider.rows()
            for sample in SAMPLES[name]
            if sample.what == what and sample.folder in (operation.kind, what)
        ],
    )


def read(provider: Provider, operation: Operation, what: str, body: bytes) -> Report:
    if what == "callback":
        return provider.parse_callback(operation, {}, body)
    return provider.parse_status(operation, Reply(status=200, body=body))


def read_or_none(provider: Provider, operation: Operation, what: str, body: bytes) -> Report | None:
    try:
        return read(provider, operation, what, body)
    except Unrecognised:
        return None


def check_report(report: Report) -> None:
    assert report.stage in STAGES
    assert (report.error is not None) == (report.stage is Stage.FAILED)
    assert len(RESULTS.validate_json(RESULTS.dump_json(report.results))) == len(report.results)
    assert all(result.id for result in report.results)
    assert all(result.duration is None or result.duration > 0 for result in report.results)
    urls = [url for result in report.results for file in result.files for url in file.urls]
    assert all(url.lower().startswith(("http://", "https://")) for url in urls)
    if report.error:
        FAILURE.dump_json(report.error)
        assert report.error.meaning
        assert report.error.advice


@each_sample("callback")
def test_callback_says_what_its_sample_is_named_after(provider: Provider, operation: Operation, sample: Sample) -> None:
    check_sample(provider, operation, sample)


@each_sample("status")
def test_status_answer_says_what_its_sample_is_named_after(
    provider: Provider, operation: Operation, sample: Sample
) -> None:
    check_sample(provider, operation, sample)


def check_sample(provider: Provider, operation: Operation, sample: Sample) -> None:
    if sample.expected == "unrecognised":
        with pytest.raises(Unrecognised, match=r"^the .+"):
            read(provider, operation, sample.what, sample.body)
        return
    report = read(provider, operation, sample.what, sample.body)
    check_report(report)
    assert report.stage is sample.stage


@each_sample("reply")
def test_reply_means_what_its_sample_is_named_after(provider: Provider, operation: Operation, sample: Sample) -> None:
    status = int(sample.note.split("-")[1])
    verdict = provider.read_reply(operation, Reply(status=status, body=sample.body))
    at_once = operation.instant and sample.stage is Stage.ACCEPTED
    assert verdict.stage is (Stage.COMPLETE if at_once else sample.stage)
    assert (verdict.error is None) == (verdict.stage in {Stage.ACCEPTED, Stage.COMPLETE})


@every_known_operation
def test_operation_has_samples_of_success_and_failure(provider: Provider, operation: Operation) -> None:
    found = {(one.what, one.expected) for one in SAMPLES[provider.type] if one.folder == operation.kind}
    whats = ["callback"] * bool(operation.callback_field) + ["status"] * bool(operation.record)
    assert {(what, stage) for what in whats for stage in ("complete", "failed", "unrecognised")} <= found
    if operation.instant:
        assert {("reply", "complete"), ("reply", "rejected")} <= found


@every_known_operation
def test_operation_is_found_by_its_path_and_by_its_name(provider: Provider, operation: Operation) -> None:
    assert provider.find(ask(provider, operation)) is operation
    assert provider.find(ask(provider, operation, "/?x=1")) is operation
    assert provider.operation(operation.name) is operation


@every_provider
def test_unknown_request_is_no_operation(provider: Provider) -> None:
    assert provider.find(Request(method="POST", path=OTHER.path)) is None
    assert provider.find(Request(method="DELETE", path=provider.rows()[0].path)) is None


@every_operation
def test_our_callback_url_takes_the_place_of_the_clients(provider: Provider, operation: Operation) -> None:
    bare = Request(method="POST", path=operation.path, body=b'{"prompt": "a ferry at night", "weight": 0.650}')
    assert provider.client_callback(bare, operation) is None
    if operation.callback_field is None:
        assert provider.prepare(bare, operation, URL) is bare
        return
    theirs = provider.prepare(bare, operation, "https://app.example/hooks/suno")
    assert provider.client_callback(theirs, operation) == "https://app.example/hooks/suno"
    ours = provider.prepare(theirs, operation, URL)
    assert provider.client_callback(ours, operation) == URL
    assert b'{"prompt": "a ferry at night", "weight": 0.650' in ours.body
    assert ours.body == provider.prepare(bare, operation, URL).body


@every_operation
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"not JSON", b'{"a": }', b"[" * 5000, b'{"a": ' * 5000, b"\xff"], ids=range(7)
)
def test_body_that_cannot_carry_a_callback_url_is_unrecognised(
    provider: Provider, operation: Operation, body: bytes
) -> None:
    request = Request(method="POST", path=operation.path, body=body)
    assert provider.client_callback(request, operation) is None
    if operation.callback_field is None:
        assert provider.prepare(request, operation, URL) is request
        return
    with pytest.raises(Unrecognised, match=r"^the body .+"):
        provider.prepare(request, operation, URL)


@every_known_operation
def test_status_call_names_the_task_safely(provider: Provider, operation: Operation) -> None:
    submission = Submission(
        id="sub_1",
        provider="suno",
        operation=operation.name,
        kind=operation.kind,
        stage=Stage.ACCEPTED,
        created_at=utc_now(),
        task_id="a b&c/../d?\udcff",
    )
    request = provider.status_request(submission)
    if operation.record is None:
        assert request is None
        return
    assert request is not None
    assert request.path.startswith(operation.record)
    assert request.path.isascii()
    if request.method == "POST":
        assert "a b&c/../d??" in json.loads(request.body).values()
        return
    assert (request.method, request.body) == ("GET", b"")
    assert "a%20b%26c%2F..%2Fd%3F" in request.path


@every_known_operation
def test_submission_without_task_id_has_no_status_call(provider: Provider, operation: Operation) -> None:
    submission = Submission(
        id="sub_1",
        provider="suno",
        operation=operation.name,
        kind=operation.kind,
        stage=Stage.UNKNOWN,
        created_at=utc_now(),
    )
    assert provider.status_request(submission) is None


@every_provider
def test_api_key_shows_nowhere(provider: Provider) -> None:
    assert API_KEY not in f"{provider!r} {provider} {provider.model_dump()} {provider.model_dump_json()}"


@every_operation
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_but_unrecognised_leaves_the_parser(
    provider: Provider, operation: Operation, data: st.DataObject
) -> None:
    body = data.draw(st.binary(max_size=60) | Values.map(dump) | mutated(provider.type))
    for what in ("callback", "status"):
        report = read_or_none(provider, operation, what, body)
        if report:
            check_report(report)
    verdict = provider.read_reply(operation, Reply(status=data.draw(st.integers(100, 599)), body=body))
    assert verdict.stage in {Stage.ACCEPTED, Stage.REJECTED, Stage.UNKNOWN, Stage.COMPLETE}
    assert RESULTS.validate_json(RESULTS.dump_json(verdict.results)) is not None
    for status in (False, True):
        assert all(isinstance(name, str) for name in provider.unknown(operation, body, status=status))


@every_operation
@pytest.mark.parametrize("depth", [50, 98, 99, 190, 250, 900, 100_000])
def test_deep_nesting_is_kept_or_unrecognised(provider: Provider, operation: Operation, depth: int) -> None:
    body = b'{"code": 200, "data": {"x": ' + b"[" * depth + b"]" * depth + b"}}"
    report = read_or_none(provider, operation, "callback", body)
    if report:
        check_report(report)
    assert (report is None) == (depth > 98)


@every_operation
def test_callback_token_that_the_provider_repeats_shows_nowhere(provider: Provider, operation: Operation) -> None:
    ours = f"https://receiver.example/callbacks/{TOKEN}"
    data = {"callBackUrl": ours, "param": dump({"callBackUrl": ours}).decode(), "errorMessage": ours, "errorCode": ours}
    for code in (200, 408, 422, 500):
        body = dump(
            {"code": code, "msg": f"can't reach {ours}", "data": data | {"status": "FAILED"} | {"task_id": "t"}}
        )
        said = provider.read_reply(operation, Reply(status=200, body=body))
        assert TOKEN not in f"{said} {read_or_none(provider, operation, 'callback', body)}"
    assert TOKEN not in str(read(provider, operation, "callback", dump({"code": 200, "data": data})))


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def mutated(draw: st.DrawFn, provider_type: str) -> bytes:
    """A sample with one value replaced or one stretch of bytes overwritten."""
    body = draw(st.sampled_from(SAMPLES[provider_type])).body
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and value and draw(st.booleans()):
        replace_somewhere(draw, value)
        return dump(value)
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.binary(max_size=4)) + body[at + draw(st.integers(0, 4)) :]


def replace_somewhere(draw: st.DrawFn, value: Any) -> None:
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = draw(st.sampled_from(keys))
        if not (isinstance(value[key], dict | list) and value[key] and draw(st.booleans())):
            value[key] = draw(Values)
            return
        value = value[key]

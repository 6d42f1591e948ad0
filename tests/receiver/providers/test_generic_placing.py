import json
from typing import Any

import pytest

from receiver.errors import Unrecognised
from receiver.providers.base import Request
from receiver.providers.generic_placing import find, place
from receiver.providers.generic_settings import CallbackPlace
from receiver.providers.splice import get_path, set_path

URL = "https://me.example/callbacks/abc?x=1&y=ä"


def put(callback: dict[str, Any], request: Request, secret: str | None = None) -> Request:
    told = CallbackPlace.model_validate(callback)
    done = place(request, told, URL, secret)
    assert find(done, told) == (None if told.none else URL)
    return done


def posting(body: str, path: str = "/songs") -> Request:
    return Request(method="POST", path=path, body=body.encode(), headers={"content-type": "application/json"})


def test_url_goes_into_the_body_however_deep() -> None:
    done = put({"body": "config.webhook_config.endpoint"}, posting('{ "weight":0.650 }'))
    assert done.body.startswith(b'{ "weight":0.650')
    assert json.loads(done.body)["config"] == {"webhook_config": {"endpoint": URL}}


def test_every_other_byte_of_the_body_stays() -> None:
    body = '{"config": {"service_mode" : "public", "webhook_config": {"endpoint": "x",  "z":1.50}} ,"b":[ 1 ]}'
    done = put({"body": "config.webhook_config.endpoint"}, posting(body))
    assert done.body.decode() == body.replace('"x"', json.dumps(URL))


def test_url_goes_into_the_address_and_leaves_the_rest_of_it() -> None:
    done = put({"query": "webhook"}, posting("{}", "/songs?a=%2f+x&webhook=https%3A%2F%2Fapp.example&b"))
    assert done.path.startswith("/songs?a=%2f+x&b&webhook=https%3A%2F%2Fme.example%2Fcallbacks%2Fabc%3Fx%3D1%26y%3D")
    assert done.path.isascii()
    assert put({"query": "webhook"}, posting("no JSON at all", "/songs")).body == b"no JSON at all"


def test_url_goes_into_a_header() -> None:
    request = Request(method="POST", path="/songs", headers={"X-Webhook-Url": "https://app.example", "accept": "*/*"})
    assert put({"header": "X-Webhook-URL"}, request).headers == {"accept": "*/*", "x-webhook-url": URL}


def test_what_belongs_to_the_url_is_set_too() -> None:
    told = {"body": "webhook.url", "fields": {"webhook.events": ["completed"], "n": 1}, "secret": "webhook.secret"}
    done = put(told, posting('{"webhook": {"secret": "theirs"}}'), "s3cret")
    assert json.loads(done.body) == {"webhook": {"url": URL, "events": ["completed"], "secret": "s3cret"}, "n": 1}


def test_provider_without_a_place_gets_nothing() -> None:
    request = posting("{}")
    assert put({"none": True}, request) == request


@pytest.mark.parametrize(
    ("callback", "request_"),
    [
        ({"body": "a.b"}, posting("{}")),
        ({"body": "a.b"}, posting('{"a": [1]}')),
        ({"body": "a.b"}, posting('{"a": {"b": 5}}')),
        ({"body": "a.b"}, posting("no JSON")),
        ({"query": "hook"}, posting("{}", "/songs?other=1")),
        ({"header": "x-hook"}, posting("{}")),
        ({"none": True}, posting("{}")),
    ],
    ids=range(7),
)
def test_client_that_set_none_has_none(callback: dict[str, Any], request_: Request) -> None:
    assert find(request_, CallbackPlace.model_validate(callback)) is None


def test_what_is_no_object_on_the_way_is_not_overwritten() -> None:
    with pytest.raises(Unrecognised, match=r"^the body has a config that is no object"):
        place(posting('{"config": "fast"}'), CallbackPlace(body="config.url"), URL, None)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ('{"a":null}', '{"a":{"b":{"c":1}}}'),
        ("{}", '{"a":{"b":{"c":1}}}'),
        ('{"a": {} }', '{"a": {"b":{"c":1}} }'),
        ('{"a":{"b":{"c":0,"c":2}}}', '{"a":{"b":{"c":1,"c":1}}}'),
        ('\ufeff {"x":"\u00e4"}', '\ufeff {"x":"\u00e4","a":{"b":{"c":1}}}'),
    ],
    ids=["null", "empty", "blank", "twice", "mark"],
)
def test_member_is_set_in_objects_within_objects(body: str, wanted: str) -> None:
    done = set_path(body.encode(), ["a", "b", "c"], 1)
    assert done.decode() == wanted
    assert get_path(done, ["a", "b", "c"]) == 1

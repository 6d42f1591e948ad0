from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from receiver.providers.generic_paths import Keys, Path, Paths, all_texts, drop, each, first, first_text, put

BODY = {
    "code": 200,
    "data": {"task_id": "t", "items": [{"url": "a"}, {"url": ""}, {"url": "b", "more": [1, 2]}], "none": None},
    "empty": "",
}


@pytest.mark.parametrize("path", ["code", "data.task_id", "data.items[].url", "[]", "[].id", "a[].b[].c", "x-y_2"])
def test_path_is_keys_with_dots_and_brackets_behind_lists(path: str) -> None:
    assert TypeAdapter(Path).validate_python(path) == path
    assert TypeAdapter(Paths).validate_python(path) == (path,)


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "$.a", "a[0]", "a[*]", "a[", "a b", "a[]b", "a\n"])
def test_anything_else_is_no_path(path: str) -> None:
    with pytest.raises(ValidationError, match="is not a path"):
        TypeAdapter(Path).validate_python(path)


def test_place_that_something_is_put_at_is_a_single_one() -> None:
    with pytest.raises(ValidationError, match="is not a place in the body"):
        TypeAdapter(Keys).validate_python("items[].url")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("code", [200]),
        ("data.task_id", ["t"]),
        ("data.items[].url", ["a", "", "b"]),
        ("data.items[].more[]", [1, 2]),
        ("data.items", [BODY["data"]["items"]]),  # type: ignore[index]  # the values of BODY are of several types
        ("data.items.url", []),
        ("data[].task_id", []),
        ("nothing.there", []),
        ("code.deeper", []),
    ],
)
def test_path_leads_to_everything_that_stands_there(path: str, found: list[Any]) -> None:
    assert list(each(BODY, path)) == found


def test_first_path_that_leads_to_something_counts() -> None:
    assert first(BODY, ("empty", "data.none", "code")) == 200
    assert first_text(BODY, ("data", "data.items[].url")) == "a"
    assert all_texts(BODY, ("empty", "data.items[].url", "code")) == ["a", "b"]
    assert (first(BODY, ("x",)), first_text(None, ("x",)), all_texts([], ("x",))) == (None, None, [])


@pytest.mark.parametrize("path", ["a", "a.b", "a[].b", "[].a", "a[].b[].c", "[]"])
def test_what_is_put_at_a_path_is_found_there(path: str) -> None:
    assert list(each(put({}, path, "x"), path)) == ["x"]


def test_putting_changes_nothing_else_and_not_the_value_itself() -> None:
    before = {"a": {"b": 1}, "c": [{"d": 2}, {"d": 3}]}
    assert put(before, "c[].e", 4) == {"a": {"b": 1}, "c": [{"d": 2, "e": 4}, {"d": 3, "e": 4}]}
    assert before == {"a": {"b": 1}, "c": [{"d": 2}, {"d": 3}]}


def test_what_is_dropped_shows_no_more() -> None:
    value = {"a": [{"secret": "x", "b": 1}, 5], "secret": "y"}
    assert drop(value, "a[].secret") == {"a": [{"secret": "[redacted]", "b": 1}, 5], "secret": "y"}
    assert drop(value, "a.secret") is not None
    assert drop([1], "a[].b") == [1]

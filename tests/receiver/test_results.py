import pytest

from receiver.events import File, Result
from receiver.results import ANY_FILE, has_main, merge, new_files
from tests.support.stages import track


def test_both_tracks_stay_in_the_order_they_came() -> None:
    merged = merge((track("a"), track("b")), (track("c"), track("b"), track("a")))
    assert [result.id for result in merged] == ["a", "b", "c"]


def test_a_known_value_is_never_lost_to_none() -> None:
    old = Result(id="a", title="Night Ferry", duration=198.4, files=(File("image", "https://cdn.example/i.jpeg"),))
    new = Result(id="a", title=None, duration=None, tags="folk", files=(File("audio", "https://cdn.example/a.mp3"),))
    (merged,) = merge((old,), (new,))
    assert (merged.title, merged.duration, merged.tags) == ("Night Ferry", 198.4, "folk")
    assert {file.role for file in merged.files} == {"audio", "image"}


def test_the_newest_address_comes_first_and_the_old_one_stays() -> None:
    (merged,) = merge((track("a", "https://old.example/"),), (track("a", "https://new.example/"),))
    assert merged.files[0].urls == ("https://new.example/", "https://old.example/")


def test_the_same_address_is_kept_once_and_their_number_is_bounded() -> None:
    known: tuple[Result, ...] = (track("a", "https://0.example/"),)
    for number in [*range(1, 20), 19, 19]:
        known = merge(known, (track("a", f"https://{number}.example/"),))
    urls = known[0].files[0].urls
    assert (urls[0], len(urls), len(set(urls))) == ("https://19.example/", 7, 7)


def test_results_known_by_position_give_way_to_named_ones() -> None:
    merged = merge((Result(id="1"), Result(id="2")), (track("a"), track("b")))
    assert [result.id for result in merged] == ["a", "b"]


def test_positions_stay_where_nothing_is_named() -> None:
    merged = merge((Result(id="1"),), (Result(id="1", title="One"), Result(id="2")))
    assert [(result.id, result.title) for result in merged] == [("1", "One"), ("2", None)]


@pytest.mark.parametrize(
    ("old", "new", "merged"),
    [
        ("a b", "1 2", "a=1 b=2"),
        ("a", "1 2", "a=1 2=2"),
        ("a b", "2", "a b=2"),
        ("a b", "a 2", "a=a b=2"),
        ("a b", "b 2", "a b=b 2=2"),
        ("a 2", "1 2", "a=1 2=2"),
        ("2 1", "1", "2 1=1"),
        ("", "1 2", "1=1 2=2"),
    ],
)
def test_results_without_names_are_the_named_ones_in_their_order(old: str, new: str, merged: str) -> None:
    before = tuple(Result(id=name) for name in old.split())
    found = merge(before, tuple(Result(id=name, title=f"={name}") for name in new.split()))
    assert " ".join(f"{result.id}{result.title or ''}" for result in found) == merged


def test_a_final_report_without_names_adds_to_the_tracks_that_were_named_before() -> None:
    old = (track("a", "https://old.example/a"), track("b", "https://old.example/b"))
    new = (track("1", "https://new.example/a"), track("2", "https://new.example/b"))
    assert [result.files[0].urls for result in merge(old, new)] == [
        ("https://new.example/a", "https://old.example/a"),
        ("https://new.example/b", "https://old.example/b"),
    ]


def test_only_files_that_were_not_there_are_new() -> None:
    before = (track("a"),)
    assert not new_files(before, (track("a", "https://other.example/"),))
    assert new_files(before, (track("a", image="https://cdn.example/i.jpeg"),))
    assert new_files(before, (track("a"), track("b")))


def test_any_file_is_the_main_file_of_what_comes_as_different_sets() -> None:
    bass = Result(id="1", files=(File("bass", "https://cdn.example/b.mp3"),))
    assert has_main(bass, ANY_FILE)
    assert has_main(bass, "bass")
    assert not has_main(bass, "vocals")
    assert not has_main(Result(id="1", data={"ids": {}}), ANY_FILE)

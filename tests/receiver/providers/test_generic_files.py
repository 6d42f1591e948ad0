import pytest

from receiver.events import File, Result
from receiver.providers.generic_files import find_files, lump, role_of, snake

TOKEN = "t" * 43


@pytest.mark.parametrize(
    ("name", "url", "role"),
    [
        ("audio_url", "https://x.example/a", "audio"),
        ("audioUrl", "https://x.example/a.wav", "audio"),
        ("audioWavUrl", "https://x.example/a", "wav"),
        ("mp4_url", "https://x.example/a", "video"),
        ("image_large_url", "https://x.example/a", "image"),
        ("coverLink", "https://x.example/a", "image"),
        ("vocalsUrl", "https://x.example/a.mp3", "vocals"),
        ("Backing Vocals", "https://x.example/a.mp3", "backing_vocals"),
        ("url", "https://x.example/a.MP3?sig=x.y#z", "audio"),
        ("resultUrl", "https://x.example/a.mid", "midi"),
        ("output", "https://x.example", "otherwise"),
        ("", "https://x.example/a.zip", "otherwise"),
        ("audio_url", "https://audiopipe.suno.example/?item_id=1", "stream"),
        ("streamAudioUrl", "https://x.example/a.mp3", "stream"),
    ],
)
def test_name_of_an_address_tells_the_role_else_the_address_does(name: str, url: str, role: str) -> None:
    assert role_of(name, url, "otherwise") == role


def test_name_is_spelt_in_small_letters_with_underscores() -> None:
    assert [snake(name) for name in ("backingVocals", "Backing Vocals", " (Drums) ", "HDUrl")] == [
        "backing_vocals",
        "backing_vocals",
        "drums",
        "hdurl",
    ]


def test_every_address_is_found_once_under_a_role_of_its_own() -> None:
    value = {
        "a": {"audio_url": "https://x.example/1.mp3"},
        "b": [{"audio_url": "https://x.example/2.mp3"}, {"url": "https://x.example/1.mp3"}, "no address", 5],
    }
    assert find_files(value) == (
        File("audio", "https://x.example/1.mp3"),
        File("audio_2", "https://x.example/2.mp3"),
    )


def test_addresses_that_are_no_results_are_left_out() -> None:
    value = {
        "callBackUrl": "https://app.example/x.mp3",
        "webhook_url": "https://app.example/x",
        "notify_hook": "https://app.example/x",
        "config": {"webhook_config": {"endpoint": "https://app.example/x"}},
        "avatar_image_url": "https://x.example/me.webp",
        "where": f"https://me.example/callbacks/{TOKEN}",
    }
    assert find_files(value) == ()


def test_what_nobody_understands_is_one_result_without_our_token() -> None:
    value = {
        "url": "https://x.example/a.mp3",
        "tempo": 96,
        "note": f"no answer from https://me.example/callbacks/{TOKEN}",
    }
    result = lump(value, "1")
    assert result.files == (File("audio", "https://x.example/a.mp3"),)
    assert set(result.data) == {"tempo", "note"}
    assert TOKEN not in str(result)
    assert lump("https://x.example/a", "2", "wav") == Result(id="2", files=(File("wav", "https://x.example/a"),))

import pytest

from receiver.providers.failures import UNDOCUMENTED, explain

TOKEN = "x" * 43


def test_our_callback_url_is_redacted_in_the_providers_words() -> None:
    failure = explain(UNDOCUMENTED, f"/callbacks/{TOKEN}", f"can't reach https://me.example/callbacks/{TOKEN}, sorry")
    assert failure.message == "can't reach https://me.example/callbacks/[redacted], sorry"
    assert failure.code == "/callbacks/[redacted]"


@pytest.mark.parametrize(("length", "kept"), [(500, "w" * 500), (501, "w" * 499 + "…"), (100_000, "w" * 499 + "…")])
def test_a_long_message_is_cut(length: int, kept: str) -> None:
    assert explain(UNDOCUMENTED, "500", "w" * length).message == kept


def test_a_token_across_the_cut_leaves_nothing_behind() -> None:
    message = explain(UNDOCUMENTED, "500", "w" * 470 + f"/callbacks/{TOKEN}").message
    assert message == "w" * 470 + "/callbacks/[redacted]"


def test_a_long_code_is_cut() -> None:
    assert explain(UNDOCUMENTED, "E" * 5000, None).code == "E" * 99 + "…"

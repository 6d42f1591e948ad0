import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.tokens import Scope, Signer, file_id, redact_tokens

IDENT = "0190c0ffee00" + "ab" * 10


def test_a_token_opens_to_the_id_it_was_minted_for() -> None:
    signer = Signer(["secret"])
    token = signer.mint(Scope.CALLBACK, f"sub_{IDENT}")
    assert signer.open(Scope.CALLBACK, token) == IDENT
    assert len(token) == 43
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")


def test_a_token_of_one_scope_is_worth_nothing_in_another() -> None:
    signer = Signer(["secret"])
    assert signer.open(Scope.FILE, signer.mint(Scope.CALLBACK, IDENT)) is None


def test_old_secrets_verify_and_the_first_signs() -> None:
    old, new = Signer(["old"]), Signer(["new", "old"])
    assert new.open(Scope.FILE, old.mint(Scope.FILE, IDENT)) == IDENT
    assert old.open(Scope.FILE, new.mint(Scope.FILE, IDENT)) is None


@pytest.mark.parametrize("secrets", [[], [""], ["fine", ""]])
def test_an_empty_secret_is_refused(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="secret"):
        Signer(secrets)


def test_every_changed_character_is_refused() -> None:
    signer = Signer(["secret"])
    token = signer.mint(Scope.CALLBACK, IDENT)
    for place in range(len(token)):
        for other in string.ascii_letters + string.digits + "-_":
            changed = token[:place] + other + token[place + 1 :]
            assert (signer.open(Scope.CALLBACK, changed) is not None) == (changed == token)


@given(st.text(max_size=60))
def test_a_strangers_text_opens_nothing(text: str) -> None:
    assert Signer(["secret"]).open(Scope.CALLBACK, text) is None


@pytest.mark.parametrize("spelling", ["{}=", " {}", "{}\n", "{} ", "+{}", "{}{}"])
def test_only_the_very_text_that_was_minted_counts(spelling: str) -> None:
    signer = Signer(["secret"])
    token = signer.mint(Scope.CALLBACK, IDENT)
    assert signer.open(Scope.CALLBACK, spelling.format(token, token)) is None


def test_a_files_id_is_the_same_every_time_and_no_other_files() -> None:
    names = [("archive", "sub_1", "a", "audio"), ("archive", "sub_1", "a", "image"), ("archive", "sub_1a", "", "audio")]
    idents = [file_id(*name) for name in names]
    assert idents == [file_id(*name) for name in names]
    assert len(set(idents)) == len(names)


@pytest.mark.parametrize(
    "slash",
    ["/", "\\/", "\\\\\\/", "\\" * 7 + "/", "\\u002f", "\\\\u002F", "%2F", "%252f"],
    ids=[
        "plain",
        "as JSON may write it",
        "JSON in JSON",
        "JSON in JSON in JSON",
        "by number",
        "by number in JSON",
        "quoted",
        "quoted twice",
    ],
)
def test_callback_urls_are_made_useless_in_text(slash: str) -> None:
    token = Signer(["secret"]).mint(Scope.CALLBACK, IDENT)
    text = f'{{"callbackUrl":"https:{slash}{slash}me.example{slash}callbacks{slash}{token}","n":1}}'
    redacted = redact_tokens(text)
    assert token not in redacted
    assert redacted.endswith('","n":1}')


def test_text_without_a_callback_url_stays_as_it_is() -> None:
    text = '{"callbackType":"complete","msg":"see /callbacks/ and callbacks/short","id":"%s"}' % ("x" * 43)
    assert redact_tokens(text) == text


def test_a_million_backslashes_are_no_burden() -> None:
    text = "/callbacks" + "\\" * 1_000_000
    assert redact_tokens(text) == text

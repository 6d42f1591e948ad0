import random

import pytest
from pydantic import TypeAdapter

from handlers.mailbox import Host, Mailbox, Mailboxes, is_loopback, read_mailbox

HOSTS, ONE, SEVERAL = TypeAdapter(Host), TypeAdapter(Mailbox), TypeAdapter(Mailboxes)

READ = {
    "a@example.com": "a@example.com",
    "a@example.com\n": "a@example.com",
    " a@example.com ": "a@example.com",
    "<a@example.com>": "a@example.com",
    "Songs <a@example.com>": "Songs <a@example.com>",
    "Jörg Müller <a@example.com>": "Jörg Müller <a@example.com>",
    '"Müller, Jörg" <a@example.com>': '"Müller, Jörg" <a@example.com>',
    "a.b+c@Example.COM": "a.b+c@example.com",
    "root@localhost": "root@localhost",
    "a@bücher.example": "a@xn--bcher-kva.example",
}
WRONG = [
    "",
    "a",
    "@example.com",
    "a@",
    "a@b@c",
    '"',
    "a b@example.com",
    "a@example.com, b@example.com",
    "Müller, Jörg <a@example.com>",
    "a@example.com\r\nBcc: b@example.com",
    "a\0@example.com",
    "Songs\u202e <a@example.com>",
    "=?utf-8?q?a=0D=0AB?= <a@example.com>",
    '"a b"@example.com',
    "ünn@example.com",
    f"{'a' * 65}@example.com",
    "a@-example.com",
    "a@example..com",
    f"a@{'b' * 64}.com",
    "a@[127.0.0.1]",
    "a@faß.example",
    "a@exam ple.com",
]


@pytest.mark.parametrize(("text", "read"), READ.items())
def test_address_is_read(text: str, read: str) -> None:
    assert ONE.validate_python(text) == read
    assert ONE.validate_python(read) == read


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|characters|host name|invisible"):
        ONE.validate_python(text)


@pytest.mark.parametrize("text", ["a@example.com\r\nBcc: b@example.com", "A\nB <a@example.com>", "a\0@example.com"])
def test_line_break_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="line break or an invisible character"):
        ONE.validate_python(text)


def test_nothing_that_is_read_can_end_a_header_or_a_command() -> None:
    chance = random.Random(7)
    letters = 'ab@."<>(),:;[]\\ =?utf-8q?\u202e\t%!é@@..\r\n'
    for _ in range(3000):
        text = "".join(chance.choices(letters, k=chance.randint(0, 16)))
        try:
            address = read_mailbox(text)
        except ValueError:
            continue
        assert not set(address.addr_spec) & set(' <>"\r\n\t')
        assert address.addr_spec.isascii()
        assert not set(address.display_name) & set("\r\n\t\u202e")


def test_recipients_are_a_list_or_one_text_and_each_counts_once() -> None:
    expected = ("A <a@example.com>", "b@example.com")
    assert SEVERAL.validate_python("A <a@example.com>, b@example.com") == expected
    assert SEVERAL.validate_python(["A <a@example.com>", "b@example.com", "a@example.com"]) == expected


def test_recipients_are_bounded() -> None:
    for given in ([], [f"a{n}@example.com" for n in range(101)]):
        with pytest.raises(ValueError, match="1 to 100"):
            SEVERAL.validate_python(given)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("mail.example.com", "mail.example.com"),
        ("LOCALHOST", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_host_is_read(text: str, host: str) -> None:
    assert HOSTS.validate_python(text) == host


@pytest.mark.parametrize("text", ["", "smtp://mail.example.com", "mail.example.com:25", "a b", "a\r\nb", "-a.example"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has no valid host name"):
        HOSTS.validate_python(text)


def test_only_this_machine_is_loopback() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.1.2.3", "::1")))
    assert not any(map(is_loopback, ("mail.example.com", "10.0.0.1", "localhost.example.com", "0.0.0.0")))

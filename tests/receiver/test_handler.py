from dataclasses import replace

from receiver.handler import ArchivedFile, Receipt
from tests.support.deliveries import make_delivery


def archived(link: str, role: str = "audio") -> ArchivedFile:
    return ArchivedFile(result_id="a", role=role, key="k", size=1, sha256="0" * 64, media_type="audio/mpeg", link=link)


def test_the_archive_that_a_delivery_needs_wins_over_any_other() -> None:
    delivery = replace(make_delivery(), files=(archived("https://other.example/"),))
    assert delivery.archived("a", "audio") == "https://other.example/"
    needed = replace(delivery, receipts={"archive": Receipt(files=(archived("https://needed.example/"),))})
    assert needed.archived("a", "audio") == "https://needed.example/"
    assert needed.archived("a", "image") is None
    assert needed.archived("b", "audio") is None

"""One call of apprise, in a thread: nothing of it reaches the loop, a log or the disk but what it answers."""

import asyncio
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from apprise import Apprise, AppriseAsset, AppriseAttachment, NotifyBase, NotifyFormat, NotifyType, OverflowMode
from apprise.attachment.file import AttachFile

from handlers.attachments import Attachment

# How long a cancelled call is waited for, in seconds. A thread can't be stopped: it ends when its socket gives up.
_GRACE_S = 5.0
_STATUS = re.compile(r"\berror=(\d{3})(?:\d\d)?\b")
# Everything that apprise speaks through; at debug level some of them write addresses and signatures.
_TALKATIVE = ("apprise", "MARKDOWN", "oauthlib", "requests", "requests_oauthlib", "urllib3")

_records: ContextVar[list[str] | None] = ContextVar("apprise_records", default=None)


def _catch(record: logging.LogRecord) -> bool:
    """Keeps what apprise says for the call that it belongs to; what others say through its libraries is logged."""
    records, own = _records.get(), record.name == "apprise"
    if records is not None and own:
        records.append(record.getMessage())
    return records is None and not own


def _catch_logs() -> None:
    # A logger's own filter comes before every handler, whoever attached it; those above are not asked.
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in _TALKATIVE:
            logger.addFilter(_catch)
    # Its warnings say why it failed, whatever level the receiver logs at; its debug lines are never wanted.
    logging.getLogger("apprise").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a service is to be told. `limit_s` is the most that one wait for its socket may take, in seconds."""

    url: str
    title: str
    body: str
    kind: NotifyType
    attachments: Sequence[Attachment]
    limit_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came of a call: whether the service took it, the HTTP statuses of its refusals, apprise's last words."""

    taken: bool
    service: str
    statuses: tuple[int, ...] = ()
    words: str = ""


def service_of(url: str, limit_s: float = 4.0) -> NotifyBase | None:
    """The service behind an apprise URL; None where apprise knows none or the URL lacks something."""
    # No cache on disk, no picture of apprise's own, no redirect to where the URL does not point.
    asset = AppriseAsset(
        storage_mode="memory",
        app_id="Suno receiver",
        app_desc="Suno receiver",
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        default_service_retry=0,
    )
    _load_services()
    _catch_logs()
    with _listening():
        service = Apprise.instantiate(url, asset=asset)
    if not isinstance(service, NotifyBase):
        return None
    asked = vars(service)
    service.socket_read_timeout = min(asked.get("socket_read_timeout", limit_s), limit_s)
    service.socket_connect_timeout = min(service.socket_connect_timeout, limit_s)
    return service


@cache
def _load_services() -> None:
    """Once, when the configuration is read: changing the warnings is not for threads."""
    with warnings.catch_warnings():
        # Some services import what Python will drop.
        warnings.simplefilter("ignore")
        Apprise.instantiate("json://localhost")


async def finish(pool: ThreadPoolExecutor, call: Call) -> Said:
    """Runs the call in a thread. Cancelled, it waits a moment for the thread, which in any case clears up itself."""
    running = pool.submit(_notify, call)
    done = asyncio.wrap_future(running)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        if not running.cancel():
            await asyncio.wait((done,), timeout=_GRACE_S)
        raise


def _notify(call: Call) -> Said:
    service = service_of(call.url, call.limit_s)
    if service is None:
        return Said(taken=False, service="apprise", words="the URL is not understood any more")
    name = str(service.service_name)
    _catch_logs()
    with _listening() as records, TemporaryDirectory(prefix="apprise-") as folder:
        files = AppriseAttachment(list(_written(call.attachments, Path(folder))), asset=service.asset)
        upstream = service.overflow_mode == OverflowMode.UPSTREAM
        try:
            taken = service.notify(
                title=call.title,
                body=call.body,
                notify_type=call.kind,
                body_format=NotifyFormat.TEXT,
                attach=files if files and service.attachment_support else None,
                # A service would refuse what is too long for it.
                overflow=OverflowMode.SPLIT if upstream else service.overflow_mode,
            )
        # A service's module may raise anything, and the text of it may hold the URL.
        except Exception as error:  # noqa: BLE001
            return Said(taken=False, service=name, words=f"{type(error).__name__} in apprise")
    statuses = tuple(int(found) for record in records for found in _STATUS.findall(record))
    return Said(taken=bool(taken), service=name, statuses=statuses, words=next(reversed(records), ""))


def _written(attachments: Sequence[Attachment], folder: Path) -> Iterator[AttachFile]:
    for number, attachment in enumerate(attachments):
        path = folder / f"{number}.{attachment.extension}"
        path.write_bytes(attachment.content)
        yield AttachFile(str(path), name=attachment.name)  # type: ignore[no-untyped-call]  # apprise has no types there


@contextmanager
def _listening() -> Iterator[list[str]]:
    records: list[str] = []
    token = _records.set(records)
    try:
        yield records
    finally:
        _records.reset(token)

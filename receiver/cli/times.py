"""Times on the command line: read and shown in this machine's zone."""

from datetime import datetime

_FORM = "%m-%d %H:%M:%S"


def moment(text: str | None, form: str = _FORM) -> str:
    """A time of the API in this machine's zone."""
    return datetime.fromisoformat(text).astimezone().strftime(form) if text else ""


def zone(text: str) -> str:
    """The name of this machine's zone at a time of the API: `CET (UTC+01:00)`."""
    local = datetime.fromisoformat(text).astimezone()
    offset = local.strftime("%z")
    name = local.tzname() or ""
    return name if name == "UTC" else f"{name} (UTC{offset[:3]}:{offset[3:5]})"


def since(text: str | None) -> str | None:
    """What `--since` means to the API: a time without a zone is of this machine's."""
    try:
        given = datetime.fromisoformat(text or "")
    except ValueError:
        return text
    return text if given.tzinfo else given.astimezone().isoformat()

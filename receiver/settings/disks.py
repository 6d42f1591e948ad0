"""Warnings about what is kept on a disk: hosts that empty theirs at every restart, machines that don't share one."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from handlers.file import FileArchive
from receiver.settings.model import Settings
from receiver.store import database_folder

_DATABASE_URL = "DATABASE_URL"
_POSTGRES = "write `database: ${DATABASE_URL}` (needs: pip install 'suno-receiver[postgres]')"
_S3 = "write type: s3 (needs: pip install 'suno-receiver[s3]')"
# A variable that a host sets in every process, and the host. Each of them starts from the image that it built.
_HOSTS = {
    "DYNO": "Heroku (or Dokku)",
    "RENDER": "Render",
    "RAILWAY_ENVIRONMENT": "Railway",
    "RAILWAY_ENVIRONMENT_NAME": "Railway",
    "FLY_APP_NAME": "Fly",
    "KOYEB_APP_NAME": "Koyeb",
    "VCAP_APPLICATION": "Cloud Foundry",
    "K_SERVICE": "Cloud Run",
    "KUBERNETES_SERVICE_HOST": "Kubernetes",
}
_VOLUME = "RAILWAY_VOLUME_MOUNT_PATH"
# Often mounted, never a volume.
_FLEETING = ("/tmp", "/dev", "/run")  # noqa: S108 - compared, not written to


def disk_warnings(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """A sentence for each thing that a restart would lose here, or that another machine could not find."""
    return [*_database(settings, environ), *_archives(settings, environ)]


def _database(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    folder = database_folder(settings.database)
    if folder is None:
        return
    offered = environ.get(_DATABASE_URL, "").startswith(("postgres://", "postgresql://"))
    if host := _emptier(folder, environ):
        said = f"{host} empties this disk at every restart, and no song, event or link outlives it"
        given = "" if offered else f"add its PostgreSQL as {_DATABASE_URL} and "
        yield f"database: {said}; {given}{_POSTGRES}, or a path on a volume"
    elif offered:
        yield f"database: {_DATABASE_URL} names a PostgreSQL, and a file is used; {_POSTGRES}"


def _archives(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    for name, handler in settings.handlers.items():
        if not isinstance(handler, FileArchive):
            continue
        if host := _emptier(handler.directory, environ):
            said = f"{host} empties this disk at every restart, and links to its files lead nowhere then"
            yield f"handlers.{name}: {said}; {_S3}, or a directory on a volume"
        elif database_folder(settings.database) is None:
            said = "keeps files on one machine, and a link may be opened at another one that uses this database"
            yield f"handlers.{name}: {said}; {_S3}, or a directory that all of them share"


def _emptier(folder: Path, environ: Mapping[str, str]) -> str | None:
    """The host that empties this folder; None where it lasts, as far as can be told."""
    host = next((name for variable, name in _HOSTS.items() if environ.get(variable)), None)
    return None if host is None or _is_on_volume(folder.resolve(), environ) else host


def _is_on_volume(folder: Path, environ: Mapping[str, str]) -> bool:
    if (stated := environ.get(_VOLUME)) and folder.is_relative_to(stated):
        return True
    if any(folder.is_relative_to(place) for place in _FLEETING):
        return False
    # What lies over the program's own folder is the host's: a volume there would hide the program.
    here = Path.cwd()
    return any(place.is_mount() for place in (folder, *folder.parents) if not here.is_relative_to(place))

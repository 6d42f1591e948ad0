"""Opens the bucket that a configuration describes. What is written there holds, whatever the environment says."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from handlers.bucket_faults import Faults
from handlers.buckets import Bucket

_REGION = "us-east-1"
_GOOGLE = "https://storage.googleapis.com"
_GOOGLE_KEYS = ("GOOGLE_BEARER_TOKEN", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`scheme` is s3, gs or azure. `patience` is how long one request may take."""

    scheme: str
    name: str
    endpoint: str | None
    region: str | None
    access_key: str | None
    secret_key: str | None
    public_url: str | None
    patience: timedelta


def open_bucket(place: Place) -> Bucket:
    """Connects nowhere yet. Raises ValueError where the keys can't be keys."""
    try:
        return _OPENERS[place.scheme](place)
    except BaseError:
        # Its own words may repeat the key.
        raise ValueError(_wrong_keys(place)) from None


def _open_s3(place: Place) -> Bucket:
    region = place.region or _REGION
    endpoint = place.endpoint or f"https://s3.{region}.amazonaws.com"
    config: Any = {
        "endpoint": endpoint,
        # The environment's own variable for this one would win over `endpoint`.
        "aws_endpoint_url_s3": endpoint,
        "region": region,
        "virtual_hosted_style_request": False,
        "skip_signature": False,
        "s3_express": False,
        "conditional_put": "etag",
        # Not every store has the call that removes many at once.
        "disable_bulk_delete": True,
        # Inside TLS the bytes are protected already; hashing them once more costs time.
        "unsigned_payload": endpoint.startswith("https:"),
    }
    # Keys that come this way are never mixed with the environment's, and nobody asks the machine for others.
    store = S3Store(place.name, config=config, credential_provider=_keys(place), **_options(place, endpoint))
    own = f"https://{place.name}.s3.{region}.amazonaws.com" if "." not in place.name else f"{endpoint}/{place.name}"
    return _bucket(store, place, endpoint, f"{endpoint}/{place.name}" if place.endpoint else own)


def _open_google(place: Place) -> Bucket:
    if place.secret_key and (named := next((name for name in _GOOGLE_KEYS if os.environ.get(name)), None)):
        # The client can't be told to leave them alone.
        raise ValueError(f"secret_key is given here and {named} in the environment; keep one of them")
    endpoint = place.endpoint or _GOOGLE
    config: Any = {"base_url": endpoint, "skip_signature": False}
    if place.secret_key:
        config["service_account_key"] = place.secret_key
    store = GCSStore(place.name, config=config, **_options(place, endpoint))
    return _bucket(store, place, endpoint, f"{endpoint}/{place.name}")


def _open_azure(place: Place) -> Bucket:
    endpoint = place.endpoint or f"https://{place.access_key}.blob.core.windows.net"
    config: Any = {
        "account_name": place.access_key or "",
        "endpoint": endpoint,
        "skip_signature": False,
        "use_emulator": False,
        "use_fabric_endpoint": False,
    }
    if place.secret_key:
        config |= {"account_key": place.secret_key, "credential_type": "access_key"}
    store = AzureStore(place.name, config=config, **_options(place, endpoint))
    return _bucket(store, place, endpoint, f"{endpoint}/{place.name}")


_OPENERS = {"s3": _open_s3, "gs": _open_google, "azure": _open_azure}


def _keys(place: Place) -> Any:
    if place.access_key is None or place.secret_key is None:
        return None
    keys = {"access_key_id": place.access_key, "secret_access_key": place.secret_key, "expires_at": None}
    return lambda: keys


def _options(place: Place, endpoint: str) -> dict[str, Any]:
    """What all clients share. They retry against a dropped connection only: the rest is the delivery's to try again."""
    return {
        "client_options": {
            "allow_http": endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=10),
            "timeout": place.patience,
            "user_agent": "suno-receiver",
        },
        "retry_config": {
            "max_retries": 2,
            "retry_timeout": min(place.patience / 2, timedelta(seconds=20)),
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
        },
    }


def _bucket(store: S3Store | GCSStore | AzureStore, place: Place, endpoint: str, own_url: str) -> Bucket:
    shown = f"the bucket {place.name} at {urlsplit(endpoint).hostname}"
    return Bucket(store, Faults(endpoint, shown), (place.public_url or own_url).rstrip("/"))


def _wrong_keys(place: Place) -> str:
    hints: Mapping[str, str] = {
        "s3": "bucket, endpoint or region can't be used",
        "gs": "secret_key is not the JSON of a service account; write secret_key_file: and the path of that file",
        "azure": "secret_key is not a key of a storage account, which is base64",
    }
    return hints[place.scheme]

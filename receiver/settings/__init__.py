"""Reads YAML and environment into frozen settings. The only reader of configuration."""

from receiver.settings.advice import warnings
from receiver.settings.disks import disk_warnings
from receiver.settings.model import Admin, Client, Limits, Outbound, Retention, Settings
from receiver.settings.reading import load

__all__ = ["Admin", "Client", "Limits", "Outbound", "Retention", "Settings", "disk_warnings", "load", "warnings"]

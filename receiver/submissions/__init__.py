"""HTTP through: the gateway between a client and a provider. A submission is stored before it is forwarded."""

from receiver.submissions.gateway import Gateway, Policy
from receiver.submissions.sending import Sender
from receiver.submissions.uploads import Uploads

__all__ = ["Gateway", "Policy", "Sender", "Uploads"]

"""A pretend sunoapi.org for the demo, for tests and for users' own CI: its API, its callbacks, its media.

`Script` says how it behaves. One request overrides it with a field `simulate` in its JSON body, an object of the same
keys: `{"prompt": "rain", "callBackUrl": "…", "simulate": {"fail": 501, "lose": ["text"]}}`.
"""

from receiver.simulator.app import Simulator
from receiver.simulator.script import Script
from receiver.simulator.tasks import Sent, Task

__all__ = ["Script", "Sent", "Simulator", "Task"]

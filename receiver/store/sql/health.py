"""What the health of the process is read from: answered by indexes, however much there is."""

from receiver.store.sql.due import handlers_in

# What waits for a need or an order is pending before long.
OPEN_HANDLERS = f"""
WITH RECURSIVE {handlers_in("due", "deliveries_due", "state = 'pending'")},
{handlers_in("held", "deliveries_paused", "waiting_for = 'pause'")}
SELECT handler FROM due WHERE handler IS NOT NULL
UNION SELECT handler FROM held WHERE handler IS NOT NULL ORDER BY handler
"""  # noqa: S608 - constants
HAS_DEAD = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE state = 'dead') AS found"

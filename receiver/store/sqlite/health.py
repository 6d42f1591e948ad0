"""What the health of the process is read from: answered by indexes, however much there is."""

# Hops from name to name in two partial indexes. What waits for a need or an order is pending before long.
OPEN_HANDLERS = """
WITH RECURSIVE due (handler) AS (
    SELECT min(handler) FROM deliveries INDEXED BY deliveries_due WHERE state = 'pending'
    UNION ALL
    SELECT (
        SELECT min(d.handler) FROM deliveries AS d INDEXED BY deliveries_due
        WHERE d.state = 'pending' AND d.handler > due.handler)
    FROM due WHERE due.handler IS NOT NULL
), held (handler) AS (
    SELECT min(handler) FROM deliveries INDEXED BY deliveries_paused WHERE waiting_for = 'pause'
    UNION ALL
    SELECT (
        SELECT min(d.handler) FROM deliveries AS d INDEXED BY deliveries_paused
        WHERE d.waiting_for = 'pause' AND d.handler > held.handler)
    FROM held WHERE held.handler IS NOT NULL
)
SELECT handler FROM due WHERE handler IS NOT NULL
UNION SELECT handler FROM held WHERE handler IS NOT NULL ORDER BY handler
"""
HAS_DEAD = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE state = 'dead') AS found"

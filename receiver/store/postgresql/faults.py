"""What an error of PostgreSQL, or of the way to it, means: whose fault it is, and what to do."""

import socket
import ssl

import asyncpg

from receiver.errors import StoreUnavailable

# Nothing was committed, and the same transaction may succeed at once.
AGAIN = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
)
# The fault of one item: on its own it fails alone.
OF_ONE = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
# The fault of the database or of the network.
OF_THE_DATABASE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, EOFError)

# Startup settings that it refuses, or statements that another session has prepared.
POOLER = "is behind a pooler that hands sessions round: name the database's own address in `database`."
_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (asyncpg.InvalidPasswordError, "refuses the user or the password: check both in `database`."),
    (asyncpg.InvalidAuthorizationSpecificationError, "refuses the user or the password: check both in `database`."),
    (asyncpg.InvalidCatalogNameError, "has no database of this name: create it, or name another in `database`."),
    (asyncpg.InsufficientPrivilegeError, "refuses this user what it needs: make it the owner of the database."),
    (asyncpg.TooManyConnectionsError, "has no connection left: end a process, or allow it more connections."),
    (asyncpg.DiskFullError, "has no room left on its disk: give it more; nothing was written."),
    (asyncpg.ReadOnlySQLTransactionError, "only reads: it is a standby; name the primary in `database`."),
    (asyncpg.UndefinedTableError, "has not been migrated: run `receiver migrate`."),
    (asyncpg.UndefinedColumnError, "was migrated by an older version: run `receiver migrate`."),
    (asyncpg.UndefinedFunctionError, "has not been migrated: run `receiver migrate`."),
    (asyncpg.UndefinedObjectError, "does not know an option in `database`: take out what follows the ? but sslmode."),
    (asyncpg.ClientConfigurationError, "can't use these options: sslmode=verify-full wants sslrootcert=FILE."),
    (asyncpg.ProtocolViolationError, POOLER),
    (asyncpg.DuplicatePreparedStatementError, POOLER),
    (asyncpg.InvalidSQLStatementNameError, POOLER),
    (asyncpg.CannotConnectNowError, "is starting or stopping: nothing was written."),
    (asyncpg.AdminShutdownError, "is shutting down: nothing was written."),
    (ssl.SSLError, "shows a certificate that is not trusted: name its CA with sslrootcert in `database`."),
    (TimeoutError, "does not answer in time: check that it runs, and the network between."),
    (socket.gaierror, "has a host name that is not known: check it in `database`."),
    (ConnectionRefusedError, "refuses the connection: check that it runs, and its host and port in `database`."),
    (OSError, "can't be reached: check that it runs, and the network between."),
    (asyncpg.InterfaceError, "has closed the connection: check that it runs, and the network between."),
    (asyncpg.PostgresConnectionError, "has closed the connection: check that it runs, and the network between."),
)


def unavailable(where: str, error: BaseException) -> StoreUnavailable:
    """One sentence that says what to do; `where` names the database, without its password."""
    if isinstance(error, StoreUnavailable):
        return StoreUnavailable(*error.args)
    # asyncpg has only words for this.
    if isinstance(error, ConnectionError) and "rejected SSL upgrade" in str(error):
        return StoreUnavailable(f"{where} offers no TLS: switch it on there, or leave sslmode out of `database`.")
    for kind, sentence in _SENTENCES:
        if isinstance(error, kind):
            return StoreUnavailable(f"{where} {sentence}")
    # The text of another error may hold values of a row.
    code = getattr(error, "sqlstate", None) or type(error).__name__
    return StoreUnavailable(f"{where} can't do this now ({code}): see its log, and run `receiver migrate`.")

"""Every statement, once for all databases: what is read, decided and written in one transaction.

The dialect is SQLite's. What stands in `/*! … */` is for PostgreSQL alone: SQLite takes it for a comment, and has one
writer, so it needs no locks.
"""

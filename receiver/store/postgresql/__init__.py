"""The store in PostgreSQL: any number of processes, on as many machines, over one database."""

"""The embedded PostgreSQL: a Django database backend that starts the server which comes in a wheel (see cluster.py)."""

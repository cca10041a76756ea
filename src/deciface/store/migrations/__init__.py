"""The history of the tables, run by `deciface.store.engines.migrate`; one file a revision in ``versions``."""

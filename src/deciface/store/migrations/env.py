"""Runs the revisions on the connection that `deciface.store.engines.migrate` hands over, in its transaction."""

from alembic import context

from deciface.store import tables


def run() -> None:
    """Run what is missing."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=tables.metadata)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic loads this file; anybody else may import it
    run()

"""What Alembic runs: the migrations, in the transaction of `labkit.store.migrate`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()

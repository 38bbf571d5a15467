"""PostgreSQL: the embedded server, migrations, the two ways of writing, fast reads, revisions."""

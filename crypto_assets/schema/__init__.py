"""What the tables say of themselves: the shared vocabulary of columns, and the form Dagster shows them in."""

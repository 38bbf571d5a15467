"""What exchanges say of their markets."""

"""What is known: the schema, sessions, and one file of queries per subject."""

"""What a pipeline is, as plain data: its spec, its schema, its text, its differences, its older forms."""

"""report.json: how it is written and read, and how an artifact's files are held against it."""

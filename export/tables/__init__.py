"""The tables of docs/models.md: networks, artifacts and speed, as Markdown, CSV and JSON."""

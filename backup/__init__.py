"""Backups of a lab: its database and its artefacts, to a folder or S3, while it runs; and the way back."""

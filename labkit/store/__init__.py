"""What was measured and trained: runs, events and models in a database, their artefacts in a folder."""

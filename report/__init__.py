"""The technical report: run records turned into a document in Spanish or English, each number traced to its run."""

"""Scaling: how a speedup table is measured, what it says, and which laws it follows."""

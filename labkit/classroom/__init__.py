"""The classroom: what a person reads and looks at, in Spanish and English."""

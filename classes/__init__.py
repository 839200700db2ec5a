"""What an instructor has: assignments to hand out, hand-ins to collect, and a page about the whole class."""

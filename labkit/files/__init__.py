"""The lab's folder: files that are whole or not there, and leases that one process holds at a time."""

"""Files that are whole or not there, leases that die with their holder, and the lab's folder."""

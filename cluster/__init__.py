"""Ray over several hosts: a head that others may reach, hosts that join and leave it, and what keeps them from it."""

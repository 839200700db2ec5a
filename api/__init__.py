"""`labkit` as microservices: health, prediction, training, benchmark and metrics, all in one process or each alone."""

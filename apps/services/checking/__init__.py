"""Health checks of instances, which a worker makes."""

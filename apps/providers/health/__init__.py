"""What is remembered of failures: which deployments and credentials not to try, and for how long."""

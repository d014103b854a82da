"""How the instances of services are: what requests and health checks found, shared by all processes."""

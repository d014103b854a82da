"""How this installation is: checks of its components, shared by the health endpoints, the metrics and the home page."""

"""What is looked at, one module a kind of component."""

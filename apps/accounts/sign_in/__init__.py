"""Signing in to the control plane: django-allauth's flows with our limits, forms and addresses."""

"""Signing in through the institution's own identity provider, by OpenID Connect.

django-allauth does the redirects, state and PKCE. Ours are: who the issuers are (a table), reaching them behind the
address guard, checking the ID token, finding the person, and what groups give and take.
"""

"""How often sign-in may fail, in django-allauth's notation. Pure: the settings read it. `throttle` says why."""

RATES = {
    "sign_in_address": "30/5m/ip",
    "sign_in_here": "5/5m/key",
    "sign_in_account": "100/h/key",
    "campus": "120/m/ip",  # ways to an issuer and back, each of which begins a session or asks the issuer
}

"""Django's settings, all derived from `env.py`."""

from csp.constants import NONE, SELF
from django.conf.locale import LANG_INFO
from django.urls import reverse_lazy

from apps.accounts.sign_in.rates import RATES
from apps.common import beats
from gateway_project.data_dir import make_data_dir
from gateway_project.databases import cache_and_sessions, database
from gateway_project.env import BASE_DIR, listed, load_env
from gateway_project.mail_server import MailServer
from gateway_project.theme import UNFOLD as UNFOLD

ENV = load_env()
DATA_DIR = make_data_dir(ENV.gateway_data_dir, is_production=ENV.is_production)

SPOOL_DIR = DATA_DIR / "spool"
OWNER_DIR = DATA_DIR / "owners"
WORKER_BEAT = DATA_DIR / "worker-beat"

DEBUG = False
SECRET_KEY = ENV.django_secret_key.get_secret_value()
KEY_PEPPER = ENV.gateway_key_pepper.get_secret_value()
PUBLIC_URL = ENV.public_url or f"http://127.0.0.1:{ENV.port}"
TOKEN_ISSUER = PUBLIC_URL
SECRET_KEYS = listed(ENV.gateway_secret_keys.get_secret_value())
METRICS_TOKEN = ENV.metrics_token.get_secret_value()
ALLOWED_HOSTS = ENV.allowed_hosts
GATEWAY_ROLE = ENV.gateway_role
WEB_CONCURRENCY = ENV.web_concurrency
MAX_REQUEST_SIZE = ENV.max_request_size
MAX_MEDIA_REQUEST_SIZE = max(ENV.max_media_request_size, MAX_REQUEST_SIZE)
MAX_UPLOAD_SIZE = max(ENV.max_upload_size, MAX_REQUEST_SIZE)
STUDENT_REQUESTS_PER_MINUTE = ENV.student_requests_per_minute
UNKNOWN_REQUESTS_PER_MINUTE = ENV.unknown_requests_per_minute
RECEIPT_TIMEOUT = ENV.receipt_timeout
CONNECT_TIMEOUT = ENV.connect_timeout
FIRST_BYTE_TIMEOUT = ENV.first_byte_timeout
STALL_TIMEOUT = ENV.stall_timeout
CLIENT_STALL_TIMEOUT = ENV.client_stall_timeout
CLIENT_LEFT_GRACE = ENV.client_left_grace
REQUEST_TIMEOUT = ENV.request_timeout
POOL_TIMEOUT = ENV.pool_timeout
MAX_CONNECTIONS = ENV.max_connections
KEEPALIVE_EXPIRY = ENV.keepalive_expiry
MAX_KEEPALIVE_CONNECTIONS = ENV.max_keepalive_connections
STREAM_THRESHOLD = ENV.stream_threshold
REDIS_URL = ENV.redis_url.get_secret_value()
REDIS_TIMEOUT = ENV.redis_timeout
TRUSTED_PROXIES = ENV.trusted_proxies
CORS_ALLOWED_ORIGINS = ENV.cors_allowed_origins
MAX_CLIENT_CONNECTIONS = ENV.max_client_connections
CLIENT_KEEPALIVE = ENV.client_keepalive
SHUTDOWN_TIMEOUT = ENV.shutdown_timeout_seconds

INSTALLED_APPS = [
    "gateway_project",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "gateway_project.apps.StoaAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "ninja",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    # Has no tables, and needs an HTTP client
    *([] if GATEWAY_ROLE == "data" else ["allauth.socialaccount.providers.openid_connect"]),
    "allauth.usersessions",
    "apps.common",
    "apps.accounts",
    "apps.quotas",
    "apps.rules",
    "apps.providers",
    "apps.conversations",
    "apps.chat",
    "apps.services",
    "apps.operations",
]

# For the control plane only: the data plane uses no middleware (see edge/handler.py).
MIDDLEWARE = [
    "gateway_project.middleware.RequestIdMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "gateway_project.edge.packing.PackingMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "gateway_project.middleware.ContentPolicyMiddleware",
    "gateway_project.middleware.DatabaseAwayMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "gateway_project.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "apps.accounts.sign_in.middleware.SessionMiddleware",
    "gateway_project.middleware.ClockMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "gateway_project.urls"
ASGI_APPLICATION = "gateway_project.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["django.template.loaders.filesystem.Loader", "gateway_project.site.template_loader.HidingLoader"],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {"default": database(ENV, DATA_DIR)}
CACHES, SESSION_ENGINE = cache_and_sessions(ENV)
SESSION_CACHE_ALIAS = "sessions"
DJANGO_REDIS_IGNORE_EXCEPTIONS = True  # an outage of Redis is a cache miss here; the rate limits report it
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
AUTHENTICATION_BACKENDS = ["apps.accounts.sign_in.backend.StaffPasswords"]
PASSWORD_HASHERS = ["apps.accounts.sign_in.hashing.BoundedHasher"]
ACCOUNT_ADAPTER = "apps.accounts.sign_in.adapter.AccountAdapter"
ACCOUNT_FORMS = {"login": "apps.accounts.sign_in.forms.PasswordForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False  # a session ends with the browser
ACCOUNT_RATE_LIMITS = {**RATES, "login": "120/m/ip", "login_failed": None}  # others could use up the latter
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
SOCIALACCOUNT_ADAPTER = "apps.accounts.sign_in.campus.adapter.SocialAccountAdapter"
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"provider_class": "apps.accounts.sign_in.campus.provider.CampusProvider"}}
SOCIALACCOUNT_LOGIN_ON_GET = True  # a form would end at the issuer, where form-action forbids it to go
SECOND_FACTOR = ENV.second_factor or ("staff" if ENV.is_production else "off")
MFA_ADAPTER = "apps.accounts.sign_in.second_factor_adapter.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "apps.accounts.sign_in.forms.CodeForm",
    "reauthenticate": "apps.accounts.sign_in.forms.CodeAgainForm",
    "activate_totp": "apps.accounts.sign_in.forms.EnrolAppForm",
    "login_webauthn": "apps.accounts.sign_in.forms.PasskeyForm",
    "add_webauthn": "apps.accounts.sign_in.forms.AddPasskeyForm",
}
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RATE_LIMITS = {"webauthn_login": "30/m/ip", "passkey_begin": "60/m/ip"}
MFA_TOTP_ISSUER = "Stoa"
MFA_TOTP_TOLERANCE = 1  # clocks may be half a minute off
MFA_ALLOW_UNVERIFIED_EMAIL = True  # operators make the accounts, so nobody takes an address that is another's
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not ENV.is_production  # http://localhost
SESSION_COOKIE_AGE = int(ENV.session_hours * 3600)
SESSION_IDLE_SECONDS = ENV.session_idle_minutes * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.is_production
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Django sends it over TLS only. The scheme is that of the connection, or what a trusted proxy says.
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if ENV.is_production else 0
SILENCED_SYSTEM_CHECKS = [
    # Other names below ours, and browsers' preload lists, are the institution's decision: its proxy may send more.
    "security.W005",
    "security.W021",
    # The proxy that takes TLS off redirects. Here it would come too late: a key or a password has been sent by then,
    # and behind a proxy that does not say X-Forwarded-Proto it would never end. Over plain HTTP nobody can sign in
    # anyway, because the session's cookie is for TLS only.
    "security.W008",
    "security.W009",  # env.py refuses weak secrets in production; this would refuse 44 random characters
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

_mail = MailServer.parse(ENV.email_url.get_secret_value())
EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
EMAIL_USE_SSL, EMAIL_USE_TLS = _mail.uses_tls, _mail.starts_tls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENV.email_from

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [(code, LANG_INFO[code]["name_local"]) for code in dict.fromkeys(["en", *ENV.languages])]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True

STATIC_URL = "/static/"
# Files are served from the packages that own them, so there is no collectstatic step to forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# These three are not in INSTALLED_APPS, since none of their templates, commands or models are used.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.accounts.staff_bearer.StaffBearer", "apps.common.staff.StaffSession"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.common.staff.IsStaff", "apps.accounts.staff_bearer.WithinScopes"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "apps.common.staff.AlwaysJSON",
    "DEFAULT_PAGINATION_CLASS": "apps.common.pagination.NewestFirst",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_METADATA_CLASS": None,  # the OpenAPI document replaces it
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "gateway_project.apis.staff_errors.answer",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Stoa staff API",
    "VERSION": "1",
    "DESCRIPTION": "What the admin shows, for programs. Staff find the rows of the courses in which they are staff.",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/staff",
    "SERVE_INCLUDE_SCHEMA": False,
    # Fixed names, because a second field called `status` would rename the first.
    "ENUM_NAME_OVERRIDES": {
        "CallStatus": "apps.conversations.models.Call.Status",
        "RuleAction": "apps.rules.models.Rule.Action",
        "RuleStage": "apps.rules.models.Rule.Stage",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "gateway_project.apis.staff.describe_refusals",
    ],
}

LOG_LEVEL = ENV.log_level or ("WARNING" if ENV.is_production else "INFO")
OTLP_ENDPOINT = ENV.otel_exporter_otlp_endpoint
OTLP_HEADERS = dict(
    pair.split("=", 1) for pair in listed(ENV.otel_exporter_otlp_headers.get_secret_value()) if "=" in pair
)
TRACE_SHARE = ENV.trace_share
_NOT_BELOW_INFO = "INFO" if LOG_LEVEL == "DEBUG" else LOG_LEVEL  # some libraries would quote headers
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "gateway_project.observability.logs.LogFormatter"},
        "json": {"()": "gateway_project.observability.logs.JsonFormatter"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": ENV.log_format},
        "bare": {"class": "logging.StreamHandler"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["stderr"], "level": _NOT_BELOW_INFO},
    "loggers": {
        # Operators change the level of these three while Stoa runs; see apps/operations/live.py.
        **{name: {"level": LOG_LEVEL} for name in ("apps", "gateway_project", "stoa")},
        "django": {"handlers": [], "propagate": True},
        "django.request": {"level": "ERROR"},
        # Answered with 400. Without this, any client could fill the log with tracebacks.
        "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
        "celery": {"level": "WARNING"},
        "uvicorn": {"level": "WARNING"},
        "opentelemetry": {"handlers": ["nowhere"], "propagate": False},  # would say each failure, and retry aloud
        "httpx": {"level": "WARNING"},  # would name every health check
        # Nothing but JSON on its lines.
        "stoa.audit": {"level": "INFO", "handlers": ["bare"], "propagate": False}
        if ENV.audit_log
        else {"level": "WARNING"},
        "psycopg": {"level": "ERROR"},  # apps.common.outages logs an outage of the database once
    },
}

# The in-memory broker ignores the host but complains without one.
CELERY_BROKER_URL = ENV.celery_broker_url.replace("memory://", "memory://localhost")
CELERY_TASK_IGNORE_RESULT = True
# Jobs use two at most, health checks two and notifications one, so that draining always finds a free one.
CELERY_WORKER_CONCURRENCY = 7
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"polling_interval": 0.05, "socket_connect_timeout": 2}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "note-beat": {
        "task": "apps.common.tasks.note_beat",
        "schedule": beats.EVERY_SECONDS,
        "options": {"expires": 5.0},
    },
    "drain-spools": {
        "task": "apps.conversations.tasks.drain_spools",
        "schedule": 1.0,
        "options": {"expires": 5.0},
    },
    "fill-search-index": {
        "task": "apps.conversations.tasks.fill_search_index",
        "schedule": 2.0,
        "options": {"expires": 5.0},
    },
    "run-jobs": {
        "task": "apps.common.tasks.run_jobs",
        "schedule": 1.0,
        "options": {"expires": 5.0},
    },
    "probe-providers": {
        "task": "apps.providers.tasks.probe_providers",
        "schedule": 1.0,
        "options": {"expires": 5.0},
    },
    "check-instances": {
        "task": "apps.services.tasks.check_instances",
        "schedule": 1.0,
        "options": {"expires": 5.0},
    },
    "notify": {
        "task": "apps.operations.tasks.notify",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "keep-figures": {
        "task": "apps.conversations.tasks.keep_figures",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    },
    "count-figures-again": {"task": "apps.conversations.tasks.count_figures_again", "schedule": 3600.0},
    "forget-jobs": {"task": "apps.common.tasks.forget_jobs", "schedule": 3600.0},
    "forget-tokens": {"task": "apps.accounts.tasks.forget_tokens", "schedule": 3600.0},
    "forget-expired": {"task": "apps.common.tasks.forget_expired", "schedule": 3600.0},
    "forget-notifications": {"task": "apps.operations.tasks.forget_notifications", "schedule": 3600.0},
    "forget-service-requests": {"task": "apps.services.tasks.forget_service_requests", "schedule": 3600.0},
}

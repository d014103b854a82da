"""Django's settings, all derived from `env.py`."""

from csp.constants import NONE, SELF
from django.templatetags.static import static
from django.urls import reverse_lazy

from gateway_project.databases import cache_and_sessions, database
from gateway_project.env import BASE_DIR, load_env, make_data_dir

ENV = load_env()
DATA_DIR = make_data_dir(ENV.gateway_data_dir)

SPOOL_DIR = DATA_DIR / "spool"
OWNER_DIR = DATA_DIR / "owners"

DEBUG = False
SECRET_KEY = ENV.django_secret_key.get_secret_value()
KEY_PEPPER = ENV.gateway_key_pepper.get_secret_value()
SECRET_KEYS = [key.strip() for key in ENV.gateway_secret_keys.get_secret_value().split(",") if key.strip()]
METRICS_TOKEN = ENV.metrics_token.get_secret_value()
ALLOWED_HOSTS = ENV.allowed_hosts
GATEWAY_ROLE = ENV.gateway_role
WEB_CONCURRENCY = ENV.web_concurrency
MAX_REQUEST_SIZE = ENV.max_request_size
MAX_MEDIA_REQUEST_SIZE = max(ENV.max_media_request_size, MAX_REQUEST_SIZE)
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
    "ninja",
    "apps.common",
    "apps.accounts",
    "apps.quotas",
    "apps.rules",
    "apps.providers",
    "apps.conversations",
    "apps.chat",
]

# For the control plane only: the data plane uses no middleware (see edge/handler.py).
MIDDLEWARE = [
    "gateway_project.middleware.RequestIdMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "gateway_project.middleware.ContentPolicyMiddleware",
    "gateway_project.middleware.DatabaseAwayMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "gateway_project.urls"
ASGI_APPLICATION = "gateway_project.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": database(ENV, DATA_DIR)}
CACHES, SESSION_ENGINE = cache_and_sessions(ENV)
DJANGO_REDIS_IGNORE_EXCEPTIONS = True  # an outage of Redis is a cache miss here; the rate limits report it
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.is_production
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Django sends it over TLS only. The scheme is that of the connection, or what a trusted proxy says.
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if ENV.is_production else 0
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

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = True

STATIC_URL = "/static/"
# Files are served from the packages that own them, so there is no collectstatic step to forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# These three are not in INSTALLED_APPS, since none of their templates, commands or models are used.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.common.staff.StaffSession"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.common.staff.IsStaff"],
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

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "gateway_project.observability.logs.LogFormatter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["stderr"], "level": ENV.log_level or ("WARNING" if ENV.is_production else "INFO")},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.request": {"level": "ERROR"},
        # Answered with 400. Without this, any client could fill the log with tracebacks.
        "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
        "celery": {"level": "WARNING"},
        "uvicorn": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},  # would name every health check
        "psycopg": {"level": "ERROR"},  # apps.common.outages logs an outage of the database once
    },
}

# The in-memory broker ignores the host but complains without one.
CELERY_BROKER_URL = ENV.celery_broker_url.replace("memory://", "memory://localhost")
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_CONCURRENCY = 5  # jobs use two at most and health checks one, so that draining always finds a free one
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"polling_interval": 0.05, "socket_connect_timeout": 2}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "drain-spools": {
        "task": "apps.conversations.tasks.drain_spools",
        "schedule": 1.0,
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
    "forget-jobs": {"task": "apps.common.tasks.forget_jobs", "schedule": 3600.0},
}

UNFOLD = {
    "SITE_TITLE": "Stoa",
    "SITE_HEADER": "Stoa",
    "SITE_SYMBOL": "account_balance",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("stoa/icon.svg")}],
    "STYLES": [lambda request: static("stoa/theme.css"), lambda request: static("stoa/admin.css")],
    "SCRIPTS": [lambda request: static("stoa/htmx.js")],
    "DASHBOARD_CALLBACK": "gateway_project.site.pages.dashboard",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"navigation": "gateway_project.site.pages.navigation"},
}

"""The dashboards: overview, providers, quotas and rules, services, processes."""

from gateway_project.monitoring.grafana import Dashboard, Panel, Query

WINDOW = "$__rate_interval"


def _rate(metric: str, *, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({metric}[{WINDOW}]))"


def _quantile(share: float, metric: str, *, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket[{WINDOW}])))"


def _quantiles(metric: str) -> tuple[Query, ...]:
    return tuple(Query(_quantile(share, metric), f"{share:.0%} within") for share in (0.5, 0.95, 0.99))


def _plain(metric: str, legend: str) -> Query:
    return Query(metric, legend)


OVERVIEW = Dashboard(
    "Overview",
    (
        Panel(
            "What is not well",
            "short",
            (
                Query('stoa_component{condition="down"} == 1', "{{component}} is down"),
                Query('stoa_component{condition="degraded"} == 1', "{{component}} is degraded"),
            ),
            "Empty: all is well. /health says what is wrong in words.",
        ),
        Panel("Error budget left", "percentunit", (Query("stoa:error_budget:left", "of thirty days"),)),
        Panel("Requests a second", "reqps", (Query(_rate("stoa_requests_total", by="status"), "{{status}}"),)),
        Panel("Share of requests that fail", "percentunit", (Query("stoa:errors:ratio_rate5m", "5xx"),)),
        Panel("Calls by ending", "reqps", (Query(_rate("stoa_calls_total", by="ending"), "{{ending}}"),)),
        Panel("Time that Stoa adds", "s", _quantiles("stoa_added_seconds")),
        Panel("In progress", "short", (_plain("stoa_calls_live", "answered"), _plain("stoa_calls_waiting", "waiting"))),
        Panel(
            "Time of requests by route", "s", (Query(_quantile(0.95, "stoa_request_seconds", by="route"), "{{route}}"),)
        ),
    ),
)
PROVIDERS = Dashboard(
    "Providers",
    (
        Panel(
            "Attempts a second",
            "reqps",
            (Query(_rate("stoa_upstream_attempts_total", by="provider, outcome"), "{{provider}} {{outcome}}"),),
        ),
        Panel(
            "First byte, 95 % within",
            "s",
            (
                Query(
                    _quantile(0.95, "stoa_upstream_first_byte_seconds", by="provider, model"), "{{provider}} {{model}}"
                ),
            ),
        ),
        Panel(
            "Whole answers, half within",
            "s",
            (Query(_quantile(0.5, "stoa_upstream_seconds", by="provider, model"), "{{provider}} {{model}}"),),
        ),
        Panel(
            "Failovers and retries a second",
            "reqps",
            (
                Query(_rate("stoa_failovers_total", by="provider"), "away from {{provider}}"),
                Query(_rate("stoa_upstream_retries_total", by="provider"), "again at {{provider}}"),
            ),
        ),
        Panel("Deployments", "short", (_plain('stoa_deployments{state!="well"}', "{{provider}} {{state}}"),)),
        Panel(
            "Keys that are not well", "short", (_plain('stoa_credentials{state!="well"}', "{{provider}} {{state}}"),)
        ),
        Panel("Deployments that answer, by model", "short", (_plain("stoa_model_deployments_answering", "{{model}}"),)),
        Panel("Health checks that fail", "short", (_plain("stoa_provider_check_failed", "{{provider}}"),)),
    ),
)
QUOTAS = Dashboard(
    "Quotas and rules",
    (
        Panel("Tokens a second", "short", (Query(_rate("stoa_tokens_total", by="movement"), "{{movement}}"),)),
        Panel("Calls that hold tokens", "short", (_plain("stoa_holds_open", "open holds"),)),
        Panel(
            "Refused requests a second",
            "reqps",
            (Query(_rate('stoa_requests_total{status=~"4.."}', by="status"), "{{status}}"),),
        ),
        Panel("Repeated answers a second", "reqps", (Query(_rate("stoa_repeats_total", by="answer"), "{{answer}}"),)),
        Panel("Time of rules", "s", _quantiles("stoa_rule_seconds")),
        Panel(
            "Hits of rules a second",
            "short",
            (Query(_rate("stoa_rule_hits_total", by="action, stage"), "{{action}}, {{stage}}"),),
        ),
        Panel(
            "Texts that rules could not look at",
            "short",
            (Query(_rate("stoa_rules_unchecked_total", by="outcome"), "{{outcome}}"),),
        ),
        Panel("Limits counted by each process alone", "short", (_plain("stoa_rate_limits_local", "1: Redis is away"),)),
    ),
)
SERVICES = Dashboard(
    "Services",
    (
        Panel(
            "Requests a second",
            "reqps",
            (Query(_rate("stoa_service_requests_total", by="service, outcome"), "{{service}} {{outcome}}"),),
        ),
        Panel(
            "First byte, 95 % within",
            "s",
            (Query(_quantile(0.95, "stoa_service_first_byte_seconds", by="service"), "{{service}}"),),
        ),
        Panel("Instances", "short", (_plain("stoa_service_instances", "{{service}} {{state}}"),)),
        Panel("Retries a second", "reqps", (Query(_rate("stoa_service_retries_total", by="service"), "{{service}}"),)),
        Panel(
            "Bytes a second",
            "Bps",
            (Query(_rate("stoa_service_bytes_total", by="service, direction"), "{{service}} {{direction}}"),),
        ),
        Panel("In progress", "short", (_plain("stoa_service_requests_live", "requests"),)),
        Panel(
            "Requests without a row",
            "short",
            (Query(_rate("stoa_service_records_left_out_total"), "beyond the sample"),),
        ),
    ),
)
PROCESSES = Dashboard(
    "Processes",
    (
        Panel("Event-loop lag, the worst process", "s", (_plain("stoa_event_loop_lag_seconds", "lag"),)),
        Panel("Connections", "short", (_plain("stoa_connections", "{{pool}}, {{state}}"),)),
        Panel("Transactions of the ledger", "s", _quantiles("stoa_ledger_batch_seconds")),
        Panel(
            "Units in a transaction",
            "short",
            (
                Query(
                    f"{_rate('stoa_ledger_batch_units_sum')} / {_rate('stoa_ledger_batch_units_count')}",
                    "on average",
                ),
                _plain("stoa_ledger_units_waiting", "waiting"),
            ),
        ),
        Panel("Texts that wait for the database", "short", (_plain("stoa_spool_records", "pieces"),)),
        Panel("The oldest text has waited", "s", (_plain("stoa_spool_lag_seconds", "seconds"),)),
        Panel(
            "Set aside",
            "short",
            (
                _plain("stoa_dead_letters", "dead letters"),
                _plain("stoa_settlements_kept", "settlements on disk"),
            ),
        ),
        Panel(
            "Room on the disk",
            "bytes",
            (_plain("stoa_spool_disk_free_bytes", "free"), _plain("stoa_spool_disk_total_bytes", "size")),
        ),
        Panel("Last beat of the worker", "s", (_plain("stoa_worker_beat_age_seconds", "ago"),)),
        Panel("Clock against the database's", "s", (_plain("stoa_clock_offset_seconds", "off by"),)),
    ),
)
DASHBOARDS = (OVERVIEW, PROVIDERS, QUOTAS, SERVICES, PROCESSES)

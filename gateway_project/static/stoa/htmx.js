// The style that htmx writes into every page is forbidden by our Content-Security-Policy; nothing of ours uses it.
htmx.config.includeIndicatorStyles = false;

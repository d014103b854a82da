#!/usr/bin/env python
"""Django's command line for Stoa."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
    from django.core.management import execute_from_command_line

    from apps.common.actors import acting, command

    with acting(command(sys.argv)):
        execute_from_command_line(sys.argv)

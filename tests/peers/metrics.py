"""Reads OpenMetrics text from standard input, strictly, and tells it again in Prometheus' older text format.

Whatever the standard forbids is an error. `promtool check metrics` reads the older format alone, and judges names and helps.
"""

import sys

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families


class Read:
    """What was read, as a registry wants it."""

    def __init__(self, text):
        self.families = list(text_string_to_metric_families(text))

    def collect(self):
        return self.families


registry = CollectorRegistry(auto_describe=False)
registry.register(Read(sys.stdin.read()))
sys.stdout.buffer.write(generate_latest(registry))

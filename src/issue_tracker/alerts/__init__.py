"""Alerts: what monitoring reports becomes an issue, and what people do with the issue is left alone.

An alert has a key, under which its sender reports it again and again. `operations.receive` decides what a report
changes. The rest is in `queries`.
"""

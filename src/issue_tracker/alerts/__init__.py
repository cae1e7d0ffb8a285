"""Alerts: reports from monitoring systems become issues, and changes that people make are preserved.

An alert has a key, under which its sender reports it repeatedly. `operations.receive` decides what a report changes.
`queries` reads alerts.
"""

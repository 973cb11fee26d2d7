"""Sends alerts out: signed webhooks and Prometheus Alertmanager, routed by severity, court and rule.

A process of its own reads what was said from the database, so that no receiver, however slow, holds up a worker.
Private warnings are never read here.
"""

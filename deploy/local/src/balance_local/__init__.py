"""Embedded Kafka and PostgreSQL, the supervisor, and the demo."""

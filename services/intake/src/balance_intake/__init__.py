"""Intake (接入): gateway and normaliser."""

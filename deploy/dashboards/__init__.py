"""Grafana's dashboards as code: `make dashboards` writes `deploy/grafana/dashboards/*.json` from here.

Queries name metrics and labels through the table of metrics (`services.contracts.metrics`), so that a
name that no process exports cannot be written. For development only: nothing that runs imports it.
"""

"""The `ml-service` command: `python -m ml_service.cli`."""

"""The queue: one interface (`queue`), two backends (`rabbitmq`, `postgres`), one place that picks one (`connect`)."""

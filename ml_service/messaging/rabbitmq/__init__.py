"""The RabbitMQ backend: `backend` implements `messaging.queue.Queue`, `client` speaks AMQP."""

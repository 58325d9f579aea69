"""The PostgreSQL backend: `backend` implements `messaging.queue.Queue` on the table ``queue_messages``."""

"""A small AMQP 0-9-1 client over pamqp's codec; docs/decisions/0008-own-amqp-client.md has the reasons."""

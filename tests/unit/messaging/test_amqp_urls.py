"""What may follow the address in AMQP_URL; whatever would change nothing is refused."""

from __future__ import annotations

import ssl

import pytest

from ml_service.messaging.rabbitmq.client.address import BrokerAddress

WRONG = {
    "amqp://u:p@h/?heartbeat=x": "after its ? there may be cafile, and not heartbeat",
    "amqp://u:p@h/?port=abc": "and not port",
    "amqps://u:p@h/?cafile=/nowhere.pem": "cafile: /nowhere.pem: No such file or directory",
    "amqps://u:p@h/?cafile=/dev/null": "cafile: /dev/null holds no certificate",
    "amqp://u:p@h/?cafile=/nowhere.pem": "cafile is for amqps://",
    "amqp://u:1?secret@h/": "and not something else",
}


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_option_is_refused_by_its_name(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        BrokerAddress.parse(url)
    assert WRONG[url] in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_certificate_of_ones_own_is_read() -> None:
    file = ssl.get_default_verify_paths().cafile
    options = f"?cafile={file}" if file else ""
    assert BrokerAddress.parse(f"amqps://u:p@h/x{options}").tls is not None

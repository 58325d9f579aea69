"""``python -m ml_service.runtime.child <descriptor> <options as JSON>``: the host starts it so."""

from ml_service.runtime.child.batch_server import main

main()

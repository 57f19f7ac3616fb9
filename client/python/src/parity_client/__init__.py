"""Client of a Parity server.

    from parity_client import Client

    with Client("localhost:50051") as parity:
        parity.download("report.pdf", "report.pdf")

Client has the calls; counter.Counter counts; errors.ParityError is what a call raises.
"""

from .client import Client
from .counter import Counter
from .download import Download
from .errors import ChecksumError, ParityError, Violation

__all__ = ["ChecksumError", "Client", "Counter", "Download", "ParityError", "Violation"]

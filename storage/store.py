"""Everything that outlives a process, behind one door."""

from __future__ import annotations

from speech.limits import Limits
from speech.settings import Settings
from storage.attempts import Attempts
from storage.audit import Audit
from storage.batches import Batches
from storage.blobs import Blobs
from storage.clearance import Clearance
from storage.crashes import Crashes
from storage.database import Database
from storage.deliveries import Deliveries
from storage.demand import Demand
from storage.events import Events
from storage.files import Files
from storage.garbage import Garbage
from storage.idempotency import Idempotency
from storage.ingest_objects import IngestObjects
from storage.ingest_runs import IngestRuns
from storage.ingests import Ingests
from storage.installation import Installation
from storage.jobs import Jobs
from storage.keys import Keys
from storage.leases import Leases
from storage.orphans import Orphans
from storage.outbox import Outbox
from storage.overtime import Overtime
from storage.parts import Parts
from storage.speakers import Speakers
from storage.steps import Steps
from storage.takes import Takes
from storage.transcripts import Transcripts
from storage.waits import Waits
from storage.webhook_secrets import WebhookSecrets
from storage.workers import Workers


class Store:
    """The database and the blobs of an installation. Use it from one event loop; blobs from any thread."""

    def __init__(
        self, database: Database, blobs: Blobs, *, results_kept: float = 0, limits: Limits | None = None
    ) -> None:
        self.database = database
        self.blobs = blobs
        self.files = Files(database)
        self.jobs = Jobs(database, results_kept=results_kept)
        self.demand = Demand(database)
        self.batches = Batches(database, results_kept=results_kept)
        self.attempts = Attempts(database, limits)
        self.overtime = Overtime(database)
        self.waits = Waits(database)
        self.parts = Parts(database)
        self.crashes = Crashes(database)
        self.transcripts = Transcripts(database)
        self.steps = Steps(database)
        self.events = Events(database)
        self.outbox = Outbox(database)
        self.leases = Leases(database)
        self.workers = Workers(database)
        self.keys = Keys(database)
        self.installation = Installation(database)
        self.idempotency = Idempotency(database)
        self.ingests = Ingests(database)
        self.ingest_objects = IngestObjects(database, results_kept=results_kept)
        self.ingest_runs = IngestRuns(database)
        self.speakers = Speakers(database)
        self.takes = Takes(database)
        self.audit = Audit(database)
        self.garbage = Garbage(database, blobs)
        self.clearance = Clearance(database)
        self.deliveries = Deliveries(database)
        self.webhook_secrets = WebhookSecrets(database)
        self.orphans = Orphans(database, blobs)

    @classmethod
    def open(cls, settings: Settings) -> Store:
        """The store that the settings name; nothing is read or connected yet."""
        blobs = Blobs(settings.blobs, settings.blob_options)
        limits = Limits.from_settings(settings)
        database = Database(settings.database, seconds=settings.database_timeout)
        return cls(database, blobs, results_kept=settings.results_kept_seconds, limits=limits)

    async def migrate(self) -> None:
        """Bring the database's schema up to date; any number of processes may do so at once."""
        await self.database.migrate()

    async def collect(self) -> int:
        """Delete the blobs that deleted rows have let go of; after every deletion, and now and then."""
        return (await self.garbage.collect()).count

    async def close(self) -> None:
        """Close every connection."""
        await self.database.close()

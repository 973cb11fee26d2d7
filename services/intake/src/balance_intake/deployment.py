"""What a process of intake is made of, read once from files: catalogue, courts, sources, keys."""

from dataclasses import dataclass

from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.events import ledger_source
from balance_chain.core.jsonguard import prepare
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.rawrecord import LEDGER
from balance_chain.core.sources import Sources, SourcesError

from balance_intake.normalise import Normaliser, Secrets
from balance_intake.settings import IntakeSettings


@dataclass(frozen=True, slots=True)
class Deployment:
    """The files of one deployment."""

    catalogue: Catalogue
    courts: Courts
    sources: Sources
    keys: KeyDirectory

    @classmethod
    def load(cls, settings: IntakeSettings) -> "Deployment":
        """Read all of them; each error names its file."""
        directory = data_dir("catalogue")
        sources = Sources.load(settings.sources)
        for name in (LEDGER, ledger_source(settings.origin)):
            if sources.get(name) is not None:
                raise SourcesError(name, "is the ledger's own name", "register the source under another URI")
        prepare(settings.event_limits)
        return cls(Catalogue.load(directory), Courts.load(directory), sources, KeyDirectory.load(settings.keys))

    def normaliser(self, settings: IntakeSettings) -> Normaliser:
        """The rules of this deployment."""
        return Normaliser(
            origin=settings.origin,
            partitions=settings.partitions,
            rawgen=settings.raw_generation,
            catalogue=self.catalogue,
            courts=self.courts,
            sources=self.sources,
            secrets=Secrets(self.keys.gateway_mac, self.keys.reject_key),
            limits=settings.event_limits,
        )

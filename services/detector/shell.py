"""The detector as a service: what it reads, and under which name it is fenced."""

from services.contracts.streams import CONTROL, PAIRS, TICKS, VENUE, key_of
from services.detector.core import decide
from services.detector.counts import counted
from services.detector.gauges import readings
from services.detector.settings import DetectorSettings
from services.detector.state import DetectorState
from services.runtime.service import Service


def detector_service(settings: DetectorSettings) -> Service[DetectorState]:
    """Return the service of one symbol group; of two processes of one group only the later writes."""
    return Service(
        name=f"detector-{settings.group}",
        decide=decide,
        initial=DetectorState(group=settings.group, spreads_shown=settings.spreads_shown),
        committed=(VENUE.key, PAIRS.key, CONTROL.key),
        newest=(key_of(TICKS, settings.group),),
        reference_hash_of=lambda state: state.reference_hash,
        exports="detector",
        readings=readings,
        counted=counted,
    )

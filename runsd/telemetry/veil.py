"""What a payload says, with a run's secrets covered in it. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from runsd.mask import Mask
from runsd.telemetry.facts import Attribute, Batch, Point, Raised, Span


def veiled(batch: Batch, mask: Mask) -> Batch:
    """Cover secrets in every text of a batch."""
    return Batch(
        spans=[_span(span, mask) for span in batch.spans],
        points=[_point(point, mask) for point in batch.points],
        raised=_raised(batch.raised, mask),
        unread=batch.unread,
    )


def _span(span: Span, mask: Mask) -> Span:
    operation = span.operation and mask.text(span.operation)
    raised = _raised(span.raised, mask)
    return replace(span, process=mask.text(span.process), operation=operation, raised=raised)


def _raised(raised: Sequence[Raised], mask: Mask) -> list[Raised]:
    return [
        replace(
            one,
            type=mask.text(one.type),
            message=mask.text(one.message),
            stacktrace=mask.text(one.stacktrace),
        )
        for one in raised
    ]


def _point(point: Point, mask: Mask) -> Point:
    return replace(
        point,
        process=mask.text(point.process),
        scope=mask.text(point.scope),
        name=mask.text(point.name),
        unit=mask.text(point.unit),
        attributes=tuple(_attribute(one, mask) for one in point.attributes),
    )


def _attribute(attribute: Attribute, mask: Mask) -> Attribute:
    key, value = attribute
    return mask.text(key), mask.text(value) if isinstance(value, str) else value

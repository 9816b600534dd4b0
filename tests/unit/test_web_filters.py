"""What a list is filtered by, and how it stands in the address."""

import pytest
from pydantic import ValidationError

from runsd.web.filters import Filters


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2026-11-22T01:09:25", "2026-11-22T01:09:25Z"),
        ("2026-11-22T01:09:25.25+02:00", "2026-11-21T23:09:25.250000Z"),
        ("0001-01-01T14:00:00+14:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_an_instant_stays_what_it_is_from_one_address_to_the_next(given: str, shown: str) -> None:
    filters = Filters.model_validate({"from": given})
    (chip,) = filters.chips("/runs")
    assert chip.value == shown
    assert Filters.model_validate({"from": shown}) == filters


@pytest.mark.parametrize("given", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_that_is_none_in_utc_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="between the years 1 and 9999"):
        Filters.model_validate({"to": given})

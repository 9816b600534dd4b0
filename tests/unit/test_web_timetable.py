"""How cron expressions read in English."""

import pytest

from runsd.web.timetable import in_words


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("* * * * *", "Every minute"),
        ("*/1 * * * *", "Every minute"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("*/7 * * * *", "Every seventh minute of every hour"),  # it begins anew with each hour
        ("0 * * * *", "Every hour, on the hour"),
        ("@hourly", "Every hour, on the hour"),
        ("1 * * * *", "Every hour, 1 minute past the hour"),
        ("15 * * * *", "Every hour, 15 minutes past the hour"),
        ("0,30 * * * *", "At minutes 0 and 30 of every hour"),
        ("0 */6 * * *", "Every 6 hours, on the hour"),
        ("30 */2 * * *", "Every 2 hours, 30 minutes past the hour"),
        ("0 */5 * * *", "At minute 0 past every fifth hour"),  # of which the last is four hours long
        ("30 2 * * *", "At 02:30 every day"),
        (" @Daily ", "At 00:00 every day"),
        ("0 9,17 * * *", "At 09:00 and 17:00 every day"),
        ("*/10 9-17 * * *", "Every 10th minute from 09:00 through 17:59"),
        ("30 2 * * 1", "At 02:30 on Monday"),
        ("30 2 * * mon-fri", "At 02:30 on Monday through Friday"),
        ("0 0 * * 6,0", "At 00:00 on Saturday and Sunday"),
        ("0 9 * * MON#2", "At 09:00 on the second Monday of the month"),
        ("0 9 * * 5L", "At 09:00 on the last Friday of the month"),
        ("0 0 1 * *", "At 00:00 on the first day of every month"),
        ("0 0 L * *", "At 00:00 on the last day of every month"),
        ("0 0 1 1 *", "At 00:00 on January 1"),
        ("0 0 1 * 1", "At 00:00 on the first day of month and on Monday"),
        ("0  0 * 6   *", "At 00:00 every day in June"),
        ("99 * * * *", "99 * * * *"),
        ("*/0 * * * *", "*/0 * * * *"),
        ("* * * * * *", "* * * * * *"),
        ("<script>", "<script>"),
        ("", ""),
    ],
)
def test_expressions_in_words_and_what_is_none_as_it_is(cron: str, said: str) -> None:
    assert in_words(cron) == said

"""A token bucket: how much somebody may send, in the long run and at once. Pure: the time is given."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Holds at most ``most`` and gets ``per_second`` more each second. Times are of a monotonic clock."""

    most: float
    per_second: float
    level: float
    at: float

    @classmethod
    def full(cls, most: float, per_second: float, now: float) -> "Bucket":
        """Return one that nothing has been taken from."""
        return cls(most, per_second, most, now)

    def wait_s(self, now: float) -> float:
        """Return after how many seconds something may be taken; 0 when it may be now."""
        self.level = min(self.most, self.level + (now - self.at) * self.per_second)
        self.at = now
        return max(0.0, -self.level / self.per_second)

    def take(self, amount: float) -> None:
        """Take so much. It may be more than there is, once: who comes next waits for it."""
        self.level -= amount

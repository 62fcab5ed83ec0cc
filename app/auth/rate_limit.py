"""How many requests a key may make, in this process."""

import time
from math import floor

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter


class RateLimits:
    """Requests a minute by key, over a window that slides. Used on the event loop only."""

    def __init__(self) -> None:
        self._limiters: dict[str, SlidingWindowCounterRateLimiter] = {}
        """A storage each: it goes through all of its counters at every request."""

    async def hit(self, key_id: str, per_minute: int) -> int | None:
        """Count a request. Where it is one too many: the seconds after which the next is not."""
        limiter = self._limiters.get(key_id)
        if limiter is None:
            limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
            self._limiters[key_id] = limiter
        limit = RateLimitItemPerMinute(per_minute)
        if await limiter.hit(limit):
            return None
        window = await limiter.get_window_stats(limit)
        # The whole second after, as at that very instant the request still counts.
        return floor(window.reset_time - time.time()) + 1

"""The seed of what the tests of faults choose at random."""

from __future__ import annotations

import os
import random

# In CI the same kills each time: a run says what the change did, not what chance did. `make soak` tries every step.
SEED = int(os.environ.get("MLGIT_SEED") or (1 if os.environ.get("CI") else random.SystemRandom().randrange(10_000)))

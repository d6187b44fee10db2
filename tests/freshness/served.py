"""What gunicorn serves in these tests; TEST_VARIANT and TEST_FILL_DELAY (seconds) are read here and nowhere else."""

import os

from app.startup import announce
from tests.freshness.variants import build

app = build(os.environ["TEST_VARIANT"], fill_delay=float(os.environ["TEST_FILL_DELAY"]))
announce(app)

"""Makes the AWS CLI wait a tenth of a second where it would wait longer: the local AWS is done at once."""

import time

_sleep = time.sleep
time.sleep = lambda seconds: _sleep(min(seconds, 0.1))

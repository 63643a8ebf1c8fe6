"""The decision service is killed, or hangs, while it is asked."""

from checker import BEFORE_A_KILL_SECONDS, STARTING

# A processor that only decides, and has no time to write, would make "about a second" longer.
PAUSE_SECONDS = 0.005


def test_killed_and_started_again(stage, seconds):
    """docs/decisions.md: "A process that is killed loses what it has not written", and nothing else."""
    service = stage.serve()
    scene = stage.scene(service, pause=PAUSE_SECONDS)
    killed = []
    with scene.running() as load:
        for _ in range(2):
            load.before(BEFORE_A_KILL_SECONDS)
            killed.append(service.kill())
            load.go_on(seconds.fault / 2)
            service.start()
            load.recovered()
        load.after()
    scene.check(killed=killed, also=STARTING)


def test_told_to_stop_and_started_again(stage, seconds):
    """docs/decisions.md: "At a graceful stop what is left is written first": nothing is lost."""
    service = stage.serve()
    scene = stage.scene(service)
    with scene.running() as load:
        load.before(seconds.before)
        service.stop()
        load.go_on(seconds.fault / 2)
        service.start()
        load.recovered()
        load.after()
    scene.check(also=STARTING)


def test_hung_and_going_on(stage, seconds):
    """SIGSTOP: connections are taken by the kernel and nobody answers."""
    service = stage.serve()
    scene = stage.scene(service)
    with scene.running() as load:
        load.before(seconds.before)
        service.hang()
        try:
            # Longer than the patience of everyone who asks.
            load.go_on(max(seconds.fault, 3))
        finally:
            service.go_on()
        load.recovered()
        load.after()
    scene.check()

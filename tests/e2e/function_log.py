"""What a function of ours printed: one JSON object a line, and a line of metrics for each event."""

import json


class Log:
    """What the function printed for one event, line by line."""

    def __init__(self, lines):
        """`lines` are texts, of one or more lines each. What is no JSON is not ours."""
        self.lines = [json.loads(part) for text in lines for part in text.splitlines() if part.startswith("{")]

    def line(self, message):
        """The one line with that message."""
        found = [line for line in self.lines if line.get("message") == message]
        assert len(found) == 1, f"{len(found)} lines say {message!r}: {self.lines}"
        return found[0]

    @property
    def decided(self):
        return self.line("decided")

    @property
    def metric(self):
        """The dimension `decision` of the metrics."""
        (line,) = [line for line in self.lines if "_aws" in line]
        return line["decision"]

    def texts(self, level):
        """Messages and causes of that level."""
        wanted = [line for line in self.lines if line.get("level") == level]
        members = ("message", "detail", "error")
        return [" ".join(str(line[name]) for name in members if name in line) for line in wanted]

"""The settings of what an answer is given so that it can be rated."""

from dataclasses import dataclass

from proxy.config.kinds import setting, truth


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Headers that the sidecar adds to answers."""

    id: bool = setting(truth(), True, "Add Feedback-Id, the id to rate by, to answers.")
    url: bool = setting(truth(), True, "Add Feedback-URL, the address to rate at, to answers.")

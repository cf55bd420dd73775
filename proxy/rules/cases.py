"""A call that is being judged, and the rating that its rules come to. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from proxy.calls.live_call import LiveCall
from proxy.config.rules import Rule
from proxy.errors import InvalidRating
from proxy.model import AUTOMATED, Rating
from proxy.rating_fields import FIELDS, Pairs, read_field


@dataclass(slots=True)
class Case:
    """A call. `holding`: what each rule says that holds, by its place. `open`: how often it is yet judged."""

    call: LiveCall
    holding: dict[int, Rating]
    open: int


def action_of(rule: Rule) -> Rating:
    """What a rule says where it holds."""
    return Rating(
        up=rule.rating,
        scores=rule.scores or {},
        comment=rule.comment,
        source=AUTOMATED,
        tags=rule.tags,
        rule=rule.name,
    )


def said_by(rule: Rule, said: object) -> Rating:
    """What a function has said: "up", "down", True or False, or a dictionary as POST /feedback takes it.

    Raises InvalidRating.
    """
    if not isinstance(said, dict):
        return Rating(up=read_field("rating", said), source=AUTOMATED, rule=rule.name)
    unknown = [name for name in said if name not in FIELDS]
    if unknown or not said:
        raise InvalidRating(f"It gave a dictionary with other fields than {', '.join(FIELDS)}, or with none.")
    fields = {name: read_field(name, _as_sent(value)) for name, value in said.items()}
    fields["up"] = fields.pop("rating", None)
    if fields["up"] is None and not (fields.get("scores") or fields.get("comment") or fields.get("tags")):
        raise InvalidRating("It gave neither rating, scores, comment nor tags.")
    return replace(Rating(**fields), source=AUTOMATED, rule=rule.name)


def _as_sent(value: object) -> object:
    return Pairs(value.items()) if isinstance(value, dict) else value


def rating_of(holding: Mapping[int, Rating]) -> Rating:
    """The rating that several rules come to: of each thing that one can say the first in the file's order says it.

    Scores and tags add up. It carries the name of the rule that gave the thumb; without one, that of the first.
    """
    said = [holding[place] for place in sorted(holding)]
    rating = said[0]
    for later in said[1:]:
        rating = rating.over(later)
    tags = tuple(dict.fromkeys(tag for each in said for tag in each.tags))
    by = next((each.rule for each in said if each.up is not None), said[0].rule)
    return replace(rating, tags=tags, rule=by)

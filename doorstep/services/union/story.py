"""The union's part of the page, told by subject in this order."""

from doorstep.kernel.common.rooms import Step
from doorstep.services.union import story_members

TELLERS = [story_members.tell]


def tell(scale: str, step: Step) -> None:
    for teller in TELLERS:
        teller(scale, step)

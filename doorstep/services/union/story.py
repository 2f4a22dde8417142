"""The union's part of the page, told by subject in this order."""

from doorstep.kernel.common.rooms import Step
from doorstep.services.union import story_members, story_stations

TELLERS = [story_members.tell, story_stations.tell]


def tell(scale: str, step: Step) -> None:
    for teller in TELLERS:
        teller(scale, step)

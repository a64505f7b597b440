"""Fills the database of $DATA_DIR with a fleet: started by fleet.py, in a process of its own.

    python benchmarks/many_agents.py AGENTS

The first agents are registered by the action, as everywhere; registering takes 5 ms, so the rest of a large fleet is
written in bulk, the same rows in the same tables (the triggers write audit and change feed for both).
"""

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

import sample  # noqa: E402 - after django.setup()
from django.db import connection  # noqa: E402

from agents.definition import AgentDefinition  # noqa: E402
from agents.models import Agent, AgentVersion  # noqa: E402
from config.embedded.cluster import close_all  # noqa: E402
from config.embedded.locks import STOP_SECONDS  # noqa: E402
from config.prepare import prepare  # noqa: E402
from registry.actions import agents as agent_actions  # noqa: E402
from registry.actions.transaction import Actor, changing  # noqa: E402
from registry.models import Route, SipMapping  # noqa: E402
from registry.routing.addresses import automatic_usernames  # noqa: E402

REGISTERED = 300  # by the action: two seconds
BULK = 1000  # agents of one transaction
ACTOR = Actor("benchmark", "command")


def chunks(numbers: range) -> Iterator[list[int]]:
    """These numbers, BULK at a time."""
    rest = iter(numbers)
    while chunk := list(itertools.islice(rest, BULK)):
        yield chunk


def add_in_bulk(numbers: list[int]) -> None:
    """What `actions.register` writes, for many agents at once."""
    with changing(ACTOR):
        agents = Agent.objects.bulk_create([Agent(name=sample.name(number)) for number in numbers])
        versions = AgentVersion.objects.bulk_create(
            [
                AgentVersion(
                    agent=agent,
                    number=1,
                    definition=AgentDefinition.read(sample.definition(number)).stored(),
                    author=ACTOR.name,
                )
                for agent, number in zip(agents, numbers, strict=True)
            ]
        )
        for agent, version in zip(agents, versions, strict=True):
            agent.live = version
        Agent.objects.bulk_update(agents, ["live"])
        routes = Route.objects.bulk_create(
            [Route(path=sample.route(number), agent=agent) for agent, number in zip(agents, numbers, strict=True)]
        )
        SipMapping.objects.bulk_create(
            [
                SipMapping(username=username, typed=username, route=route, source=SipMapping.Source.AUTO)
                for route in routes
                for username in automatic_usernames(route.agent.name, route.path)
            ]
        )


def main() -> None:
    """Make the database and fill it."""
    count = int(sys.argv[1])
    try:
        prepare(example=False, say=lambda text: None)
        for number in range(min(count, REGISTERED)):
            agent_actions.register(sample.name(number), sample.route(number), sample.definition(number), by=ACTOR)
        for chunk in chunks(range(REGISTERED, count)):
            add_in_bulk(chunk)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")  # as autovacuum would do within a minute
        assert Route.objects.count() == count
        connection.close()
    finally:
        close_all(wait=STOP_SECONDS)


if __name__ == "__main__":
    main()

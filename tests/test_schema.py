"""The database holds every constraint and index that the models declare: a migration may drop one without a word."""

import pytest
from django.apps import apps
from django.db import connection

pytestmark = pytest.mark.django_db


def test_every_declared_constraint_and_index_is_in_the_database():
    lost = []
    with connection.cursor() as cursor:
        for model in apps.get_models():
            table = model._meta.db_table
            there = set(connection.introspection.get_constraints(cursor, table))
            declared = [one.name for one in (*model._meta.constraints, *model._meta.indexes)]
            lost += [(table, name) for name in declared if name not in there]
    assert lost == []

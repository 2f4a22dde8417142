"""The worker never pays above 9.00 for the 13.00 set, whatever anybody configures: the database says so."""

from django.db import migrations

RULE = """
ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (list_price_fen <> 1300 OR {column} <= 900)
"""


class Migration(migrations.Migration):
    dependencies = [("canteen", "0002_initial"), ("entitlements", "0002_initial")]

    operations = [
        migrations.RunSQL(
            RULE.format(table="entitlements_termsversion", name="canteen_terms_nine_yuan", column="person_share_fen"),
            "ALTER TABLE entitlements_termsversion DROP CONSTRAINT canteen_terms_nine_yuan",
        ),
        migrations.RunSQL(
            RULE.format(table="entitlements_use", name="canteen_use_nine_yuan", column="person_fen"),
            "ALTER TABLE entitlements_use DROP CONSTRAINT canteen_use_nine_yuan",
        ),
    ]

"""The step before this one dropped more than it names.

Taking the single-column index off ``pending`` also dropped the partial unique index of ``transfer_pending_resolved_once``:
Django looks for indexes of that column and knows a conditional constraint's only as one of them. Without it a hold could
be resolved twice.
"""

from django.db import migrations

AGAIN = """
CREATE UNIQUE INDEX IF NOT EXISTS transfer_pending_resolved_once ON ledger_transfer (pending_id)
WHERE pending_id IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_one_index_each")]

    operations = [migrations.RunSQL(AGAIN, migrations.RunSQL.noop)]

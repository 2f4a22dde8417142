"""``python -m tests.renew`` writes what is made from the code anew: docs/permissions.md and tests/openapi.json.

Look at the difference before committing it: it is a change of who may open what, or of the API's contract.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "doorstep.project.settings_test")


def main() -> None:
    django.setup()
    from tests import openapi, permissions_table

    permissions_table.DOCUMENT.write_text(permissions_table.render())
    openapi.SNAPSHOT.write_text(openapi.render())
    print(permissions_table.DOCUMENT, openapi.SNAPSHOT, sep="\n")


if __name__ == "__main__":
    main()

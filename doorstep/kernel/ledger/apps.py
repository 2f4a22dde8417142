from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "doorstep.kernel.ledger"
    label = "ledger"

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "doorstep.kernel.audit"
    label = "audit"

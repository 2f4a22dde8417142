from django.apps import AppConfig


class PassesConfig(AppConfig):
    name = "doorstep.kernel.passes"
    label = "passes"

from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "doorstep.kernel.common"
    label = "common"

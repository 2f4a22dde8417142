from django.apps import AppConfig


class EntitlementsConfig(AppConfig):
    name = "doorstep.kernel.entitlements"
    label = "entitlements"

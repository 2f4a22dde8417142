"""The union's pages."""

from django.urls import URLPattern

app_name = "union"
urlpatterns: list[URLPattern] = []

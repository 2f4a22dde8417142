"""The canteen's pages."""

from django.urls import URLPattern

from doorstep.services.canteen.pages import audit_urls, feedback_urls, settlement_urls, watch_urls

app_name = "canteen"
urlpatterns: list[URLPattern] = [
    *settlement_urls.urlpatterns,
    *watch_urls.urlpatterns,
    *feedback_urls.urlpatterns,
    *audit_urls.urlpatterns,
]

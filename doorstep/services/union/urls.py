"""The union's pages, by subject."""

from doorstep.services.union.pages import (
    activities_urls,
    board_urls,
    home_urls,
    keeper_urls,
    members_urls,
    overview_urls,
    stations_urls,
)

app_name = "union"
urlpatterns = [
    *home_urls.urlpatterns,
    *members_urls.urlpatterns,
    *overview_urls.urlpatterns,
    *board_urls.urlpatterns,
    *stations_urls.urlpatterns,
    *keeper_urls.urlpatterns,
    *activities_urls.urlpatterns,
]
